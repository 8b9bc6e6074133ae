// What Spektate itself finds in its table: node read.js CONNECTION_STRING TABLE PARTITION < QUESTION
//
// The question is JSON: `{builds, releases, filters: [{environment?, imageTag?, p1Id?, commitId?, service?,
// deploymentId?}]}`. Builds and releases are what its pipelines would have read from Azure DevOps; a row of which none
// is there it deletes. Answers a list of deployments for each filter.
"use strict";

const { getDeploymentsBasedOnFilters } = require("spektate/lib/IDeployment");

const [connectionString, table, partition] = process.argv.slice(2);

const TIMES = ["queueTime", "startTime", "finishTime", "lastUpdateTime"];

// By their ids, with times as Spektate's own pipelines make them.
function known(all) {
  const dated = (one) => ({ ...one, ...Object.fromEntries(TIMES.map((name) => [name, new Date(one[name])])) });
  return Object.fromEntries(all.map((one) => [String(one.id), dated(one)]));
}

async function text(stream) {
  let all = "";
  for await (const part of stream) all += part;
  return all;
}

async function main() {
  const question = JSON.parse(await text(process.stdin));
  const [builds, releases] = [known(question.builds), known(question.releases)];
  const pipeline = {
    builds,
    releases,
    getListOfBuilds: async () => builds,
    getListOfReleases: async () => releases,
    getBuildStages: async () => ({}),
  };
  const answers = [];
  for (const filter of question.filters) {
    const { environment, imageTag, p1Id, commitId, service, deploymentId } = filter;
    const found = await getDeploymentsBasedOnFilters(
      connectionString, "", table, partition, pipeline, pipeline, pipeline,
      environment, imageTag, p1Id, commitId, service, deploymentId,
    );
    answers.push(found);
  }
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(`read.js: ${error.stack ?? error}`);
  process.exit(1);
});
