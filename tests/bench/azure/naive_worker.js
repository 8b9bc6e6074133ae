// The worker that one would write first, for comparison: a message at a time, get, upsert, delete.
// node naive_worker.js CONNECTION_STRING NAME COUNT, where NAME is the queue's and the table's.
"use strict";

const path = require("node:path");
const { createRequire } = require("node:module");
const modules = createRequire(path.join(__dirname, "../../azurite/package.json"));
const { QueueClient } = modules("@azure/storage-queue");
const { TableClient } = modules("@azure/data-tables");

async function main() {
  const [connectionString, name, count] = process.argv.slice(2);
  const queue = new QueueClient(connectionString, name);
  const table = TableClient.fromConnectionString(connectionString, name, { allowInsecureConnection: true });
  for (let done = 0; done < Number(count); ) {
    const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: 1 });
    for (const message of receivedMessageItems) {
      const event = JSON.parse(Buffer.from(message.messageText, "base64").toString());
      const { run, pipeline } = event.resource;
      const row = { partitionKey: String(pipeline.id), rowKey: String(run.id), name: run.name, state: run.state };
      await table.upsertEntity(row, "Merge");
      await queue.deleteMessage(message.messageId, message.popReceipt);
      done += 1;
    }
  }
}

main().catch((error) => {
  console.error(`naive_worker.js: ${error.message}`);
  process.exit(1);
});
