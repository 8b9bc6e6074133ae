// Asks the program as an assistant does, with an official client, and prints what came back as JSON.
//
//   node ask.js 2025|2026 stdio COMMAND ARGUMENT…
//   node ask.js 2025|2026 http ADDRESS [TOKEN]
//
// The calls stand on standard input: [{"name": …, "arguments": …}, …].
import { Client as Client2025 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio2025 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as Http2025 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as Client2026, StreamableHTTPClientTransport as Http2026 } from '@modelcontextprotocol/client';
import { StdioClientTransport as Stdio2026 } from '@modelcontextprotocol/client/stdio';

const clients = {
  2025: { Client: Client2025, Stdio: Stdio2025, Http: Http2025, options: {} },
  2026: {
    Client: Client2026,
    Stdio: Stdio2026,
    Http: Http2026,
    // Not a step back to `initialize`.
    options: { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  },
};

const [year, way, target, ...rest] = process.argv.slice(2);
const { Client, Stdio, Http, options } = clients[year];

function transport() {
  if (way === 'stdio') return new Stdio({ command: target, args: rest, env: process.env, stderr: 'inherit' });
  const headers = rest[0] ? { Authorization: `Bearer ${rest[0]}` } : {};
  return new Http(new URL(target), { requestInit: { headers } });
}

// Clients of 2025 keep to themselves which version they agreed on, but tell their transport.
function heard(transport) {
  const tell = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    agreed = version;
    tell?.(version);
  };
  return transport;
}

async function called(client, call) {
  try {
    // The client holds what comes against the tool's output schema.
    return await client.callTool(call);
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

let agreed = null;
let input = '';
for await (const chunk of process.stdin) input += chunk;
const client = new Client({ name: 'pipetrail-tests', version: '1' }, options);
try {
  await client.connect(heard(transport()));
  const { tools } = await client.listTools();
  const results = [];
  for (const call of JSON.parse(input)) results.push(await called(client, call));
  const version = client.getNegotiatedProtocolVersion?.() ?? agreed;
  console.log(JSON.stringify({ version, server: client.getServerVersion(), tools, results }));
} catch (error) {
  console.log(JSON.stringify({ failed: error.message, code: error.code ?? null }));
}
await client.close();
