// What a client that is not ours finds in a table, as JSON: node read.js CONNECTION_STRING TABLE FILTER
//
// Numbers of 64 bits and times come as this client gives them: as BigInt and Date, here marked by their type.
"use strict";

const { TableClient } = require("@azure/data-tables");

const [connectionString, table, filter] = process.argv.slice(2);

function plain(value) {
  if (typeof value === "bigint") return { int64: String(value) };
  if (value instanceof Date) return { dateTime: value.toISOString() };
  if (value instanceof Uint8Array) return { binary: Buffer.from(value).toString("base64") };
  return value;
}

async function main() {
  const client = TableClient.fromConnectionString(connectionString, table, { allowInsecureConnection: true });
  const rows = [];
  for await (const row of client.listEntities({ queryOptions: { filter } })) {
    rows.push(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
  }
  console.log(JSON.stringify(rows));
}

main().catch((error) => {
  console.error(`read.js: ${error.message}`);
  process.exit(1);
});
