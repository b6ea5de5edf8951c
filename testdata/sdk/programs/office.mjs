// A server of the Model Context Protocol, written with the official TypeScript SDK.
//
//     office.mjs PORT TRANSPORT
//
// TRANSPORT is `http` (answers as event streams) or `json` (answers as plain JSON), both with sessions. The library and all that is
// in it is invented.

import http from "node:http";
import { randomUUID } from "node:crypto";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const [port, transport] = process.argv.slice(2);

function library() {
  const server = new McpServer({ name: "town-library", version: "0.7.2" });
  const text = (text) => ({ content: [{ type: "text", text }] });
  server.registerTool(
    "find_book",
    {
      description: "Books whose title has a word.",
      inputSchema: { word: z.string(), limit: z.number().int().optional() },
      annotations: { readOnlyHint: true },
    },
    async ({ word }) => text(`The ${word} of the northern coast; A small ${word} book`),
  );
  server.registerTool(
    "lend_book",
    { description: "Lends a book to a reader.", inputSchema: { book: z.string(), reader: z.number(), tags: z.array(z.string()) } },
    async ({ book }) => text(`${book} is yours for 28 days – Gebühr 0 €`),
  );
  server.registerTool("shelf_report", { description: "Writes a report.", inputSchema: { shelf: z.string() } }, async ({ shelf }) => {
    throw new Error(`there is no shelf ${shelf}`);
  });
  server.registerResource("hours", "library://hours", { mimeType: "text/plain" }, async (uri) => ({
    contents: [{ uri: uri.href, text: "Monday to Friday, 9 to 17" }],
  }));
  server.registerResource(
    "shelf",
    new ResourceTemplate("library://shelves/{name}", { list: undefined }),
    { mimeType: "text/plain" },
    async (uri, { name }) => ({ contents: [{ uri: uri.href, text: `Shelf ${name}: travels` }] }),
  );
  server.registerPrompt(
    "recommend",
    { description: "Has the model recommend a book.", argsSchema: { mood: z.string() } },
    ({ mood }) => ({ messages: [{ role: "user", content: { type: "text", text: `A book for a ${mood} day?` } }] }),
  );
  return server;
}

const sessions = new Map();
http
  .createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"];
    let session = id && sessions.get(id);
    if (!session) {
      session = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        enableJsonResponse: transport === "json",
        onsessioninitialized: (id) => sessions.set(id, session),
      });
      await library().connect(session);
    }
    await session.handleRequest(request, response);
  })
  .listen(Number(port), "127.0.0.1");
