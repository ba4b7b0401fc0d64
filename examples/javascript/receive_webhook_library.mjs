// Receives webhooks and verifies them with the library `standardwebhooks`. Ends after the first event.
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { call } from "./waypost.mjs";

// `import { Webhook } from "standardwebhooks"`, where the library is beside the program.
const { Webhook } = createRequire(import.meta.url)("standardwebhooks");

let secret = "";

const server = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  try {
    const event = new Webhook(secret).verify(Buffer.concat(pieces), request.headers);
    response.writeHead(204).end();
    server.emit("event", event);
  } catch {
    response.writeHead(401).end();
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");

const wish = { name: "example", url: `http://127.0.0.1:${server.address().port}/`, events: ["message.sent"] };
const webhook = await call("POST", "/api/webhooks", wish);
secret = webhook.secret;

const heard = once(server, "event");
await call("POST", "/api/messages/send", { to: "+15550100001", type: "text", text: "Tell me" });
const [event] = await heard;
console.log("verified", event.event, event.data.to);
await call("PUT", `/api/webhooks/${webhook.id}`, { enabled: false });
server.close();
server.closeAllConnections();

// verified message.sent +15550100001
