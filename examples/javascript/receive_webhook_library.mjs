// Receives webhooks and verifies their signatures with the library `standardwebhooks`. Ends after the first event.
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { call } from "./waypost.mjs";

// In a project with the library in node_modules: `import { Webhook } from "standardwebhooks"`.
const { Webhook } = createRequire(import.meta.url)("standardwebhooks");

let secret = "";

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const event = new Webhook(secret).verify(Buffer.concat(chunks), request.headers);
    response.writeHead(204).end();
    server.emit("event", event);
  } catch {
    response.writeHead(401).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

const endpoint = { name: "example", url: `http://127.0.0.1:${server.address().port}/`, events: ["message.sent"] };
const webhook = await call("POST", "/api/webhooks", endpoint);
secret = webhook.secret;

const received = once(server, "event");
await call("POST", "/api/messages/send", { to: "+15550100001", type: "text", text: "Hello" });
const [event] = await received;
console.log("verified", event.event, event.data.to);
await call("PUT", `/api/webhooks/${webhook.id}`, { enabled: false });
server.close();
server.closeAllConnections();

// verified message.sent +15550100001
