// A client of the Model Context Protocol, written with the official TypeScript SDK.
//
//     visitor.mjs URL TRANSPORT NAME VERSION TOKEN|- COURSE LOG
//
// Writes what the SDK told it, as visitor.py does.

import fs from "node:fs";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, transport, name, version, token, course, logFile] = process.argv.slice(2);
const folder = new URL("node_modules/@modelcontextprotocol/sdk/package.json", import.meta.url);
const release = JSON.parse(fs.readFileSync(folder)).version;
const log = {
  sdk: `@modelcontextprotocol/sdk ${release} (npm)`,
  client: { name, version },
  authorized: token !== "-",
  calls: [],
};

function kind(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function note(method, result, name, args, error) {
  const call = { method };
  if (name !== undefined) call.name = name;
  if (args) call.arguments = Object.entries(args).map(([key, value]) => [key, kind(value)]);
  if (error) call.failed = true;
  else if (result !== undefined) {
    call.failed = result.isError === true;
    call.result_bytes = Buffer.byteLength(JSON.stringify(result));
  }
  log.calls.push(call);
  return result;
}

const requestInit = token === "-" ? {} : { headers: { Authorization: `Bearer ${token}` } };
const Transport = transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
const line = new Transport(new URL(url), { requestInit });
const client = new Client({ name, version });
await client.connect(line);
note("initialize", undefined);
log.calls.push({ method: "notifications/initialized" });
log.revision = line.protocolVersion ?? line._protocolVersion;
const server = client.getServerVersion();
log.server = { name: server.name, version: server.version };

async function tool(name, args) {
  try {
    return note("tools/call", await client.callTool({ name, arguments: args }), name, args);
  } catch (error) {
    return note("tools/call", undefined, name, args, error);
  }
}

const { tools } = note("tools/list", await client.listTools());
log.tools = tools.map((t) => t.name).sort();
log.read_only = tools.filter((t) => t.annotations?.readOnlyHint).map((t) => t.name).sort();
const harbour = log.tools.includes("book_berth");
if (course === "plan") {
  const { resources } = note("resources/list", await client.listResources());
  const { resourceTemplates } = note("resources/templates/list", await client.listResourceTemplates());
  log.resources = [...resources.map((r) => r.uri), ...resourceTemplates.map((t) => t.uriTemplate)].sort();
  const { prompts } = note("prompts/list", await client.listPrompts());
  log.prompts = prompts.map((p) => p.name).sort();
  const uri = harbour ? "harbour://piers/2" : "library://shelves/sea";
  note("resources/read", await client.readResource({ uri }), uri);
  const [prompt, args] = harbour ? ["shift_report", { shift: "early" }] : ["recommend", { mood: "grey" }];
  note("prompts/get", await client.getPrompt({ name: prompt, arguments: args }), prompt, args);
}
if (harbour) {
  await tool("free_berths", { length: 120 });
  await tool("book_berth", { ship: "Kormoran", berth: 2 });
} else {
  await tool("find_book", { word: "lighthouse", limit: 2 });
  await Promise.all([tool("lend_book", { book: "Ebbe und Flut", reader: 12, tags: ["sea"] }), tool("find_book", { word: "sail" })]);
  await tool("shelf_report", { shelf: "none" });
}
if (line.terminateSession) await line.terminateSession();
await client.close();
fs.writeFileSync(logFile, JSON.stringify(log, null, 1) + "\n");
