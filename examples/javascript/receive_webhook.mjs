// Receives webhooks and verifies their signatures, with Node only. Ends after the first event.
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { call } from "./waypost.mjs";

let secret = "";

/** Returns `true` if Waypost signed these bytes within the last five minutes (Standard Webhooks). */
function isValid(body, headers) {
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const digest = createHmac("sha256", key).update(`${headers["webhook-id"]}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const given = (headers["webhook-signature"] ?? "").split(" ").map((signature) => Buffer.from(signature));
  return given.some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected));
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const isAuthentic = isValid(body, request.headers);
  // Answer first, process later: an event that is not answered within 15 seconds is delivered again.
  response.writeHead(isAuthentic ? 204 : 401).end();
  if (isAuthentic) server.emit("event", JSON.parse(body));
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
