// Azurite's queue and table services, until told to stop: node serve.js [--with-stdin] QUEUE_PORT TABLE_PORT [FOLDER]
//
// Prints the connection string as an `export` line once both services answer. They run in threads of this one process,
// so none outlives it, however it ends; and the queue's pauses (it collects garbage every minute when it keeps all in
// memory) do not hold up the tables.
//
// It ends on a signal, and with --with-stdin also when its stdin closes. Tests hold the other end: the system closes it
// even when they are killed.
"use strict";

const fs = require("node:fs");
const { Worker } = require("node:worker_threads");

const LIMIT_MS = 60_000;
// A service that closes first ends its connections, those that wait too.
const STOP_LIMIT_MS = 10_000;
// Public: every emulator has this account.
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

// A thread's process gets no signals; this hands it the message that Azurite stops on.
const THREAD = `
  const { parentPort, workerData } = require("node:worker_threads");
  parentPort.once("message", (message) => process.emit("message", message));
  require(workerData);
`;

const args = process.argv.slice(2);
const withStdin = args[0] === "--with-stdin";
const [queuePort, tablePort, folder] = withStdin ? args.slice(1) : args;
const ports = { queue: queuePort, table: tablePort };
const endpoint = (service) => `http://127.0.0.1:${ports[service]}/${ACCOUNT}`;

let stopping = false;

function fail(message) {
  console.error(`azurite: ${message}`);
  process.exit(1);
}

const variable = (service) => `AZURITE_${service.toUpperCase()}_PORT`;

// What is wrong with what a person said is one line, and no stack of calls.
function check() {
  for (const [service, port] of Object.entries(ports)) {
    const fits = /^[0-9]{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535;
    if (!fits) fail(`${variable(service)}: \`${port}\` is no port from 1 to 65535`);
  }
  if (Number(queuePort) === Number(tablePort)) fail(`port ${queuePort} is asked for twice; ${variable("table")} names another`);
  if (folder === undefined) return;
  try {
    // Not with those above it: in a strange place Node tries that for ever.
    if (!fs.existsSync(folder)) fs.mkdirSync(folder);
    if (!fs.statSync(folder).isDirectory()) fail(`${folder}: is no folder`);
    fs.accessSync(folder, fs.constants.W_OK);
  } catch (error) {
    fail(`${folder}: cannot be used (${error.code})`);
  }
}

// The thread of a service, once it listens. Its own word counts: on a port that is taken, a stranger would answer too.
function start(service) {
  const port = ports[service];
  const argv = [`--${service}Host`, "127.0.0.1", `--${service}Port`, port];
  // Clients newer than this Azurite ask for versions that it does not list.
  argv.push("--disableTelemetry", "--skipApiVersionCheck", "--silent");
  argv.push(...(folder === undefined ? ["--inMemoryPersistence"] : ["--location", folder]));
  const worker = new Worker(THREAD, {
    eval: true,
    workerData: require.resolve(`azurite/dist/src/${service}/main.js`),
    argv,
    // Nothing of the caller's changes it: AZURITE_ACCOUNTS would.
    env: {},
    stdout: true,
    stderr: true,
  });

  let said = "";
  worker.stderr.on("data", (data) => (said += data));
  worker.on("error", (error) => (said += error.stack));
  worker.on("exit", () => {
    if (stopping) return;
    if (said.includes("EADDRINUSE")) fail(`port ${port} is taken; ${variable(service)} names another`);
    if (said.includes("EACCES")) fail(`port ${port} is not allowed; ${variable(service)} names another`);
    // What is above and below are lines of its source.
    fail(`${service} ended: ${said.split("\n").find((line) => /Error/.test(line)) ?? said.trim()}`);
  });
  return new Promise((resolve) => {
    worker.stdout.on("data", (data) => String(data).includes("successfully") && resolve(worker));
  });
}

async function main() {
  const late = setTimeout(() => fail(`not ready after ${LIMIT_MS / 1000} s`), LIMIT_MS);
  const services = Object.keys(ports);
  const workers = await Promise.all(services.map(start));
  await Promise.all(services.map((service) => fetch(endpoint(service))));
  clearTimeout(late);

  const parts = ["DefaultEndpointsProtocol=http", `AccountName=${ACCOUNT}`, `AccountKey=${KEY}`];
  parts.push(`QueueEndpoint=${endpoint("queue")}`, `TableEndpoint=${endpoint("table")}`);
  console.log(`export AZURE_STORAGE_CONNECTION_STRING='${parts.join(";")};'`);
  return workers;
}

// With a folder the services write what they hold when they close; without one there is nothing to wait for.
async function stop(started) {
  if (stopping || folder === undefined) process.exit();
  stopping = true;
  setTimeout(() => process.exit(), STOP_LIMIT_MS);
  const workers = await started;
  await Promise.all(workers.map((worker) => {
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.postMessage("shutdown");
    return ended;
  }));
  process.exit();
}

check();
const started = main().catch((error) => fail(error.message));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(started));
if (withStdin) process.stdin.resume().on("close", () => stop(started));
