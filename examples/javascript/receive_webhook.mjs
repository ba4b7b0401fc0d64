// Receives webhooks and verifies them, with Node alone. Ends after the first event.
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { call } from "./waypost.mjs";

let secret = "";

/** Whether Waypost signed these bytes within the last five minutes (Standard Webhooks). */
function isOurs(body, headers) {
  const stamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(stamp) || Math.abs(Date.now() / 1000 - Number(stamp)) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const digest = createHmac("sha256", key).update(`${headers["webhook-id"]}.${stamp}.`).update(body).digest("base64");
  const wanted = Buffer.from(`v1,${digest}`);
  const given = (headers["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  return given.some((one) => one.length === wanted.length && timingSafeEqual(one, wanted));
}

const server = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const isGood = isOurs(body, request.headers);
  // Answer at once, work later: what is not answered within 15 seconds comes again.
  response.writeHead(isGood ? 204 : 401).end();
  if (isGood) server.emit("event", JSON.parse(body));
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
