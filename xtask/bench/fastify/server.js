// A gateway as it is usually written for Node.js, for comparison: Fastify, undici and better-sqlite3.
//
// It does what Waypost does for a send at the least: it checks the key, the shape, the rate limit and the window; stores
// the message and an event before the call; calls Meta's API over a pool of kept-alive connections; and stores the
// outcome, its line of the timeline and an event before it responds. It has no idempotency, queue, webhooks or metrics.
import { createHash, randomUUID } from "node:crypto";
import Database from "better-sqlite3";
import Fastify from "fastify";
import { Pool } from "undici";

const { BENCH_PORT, BENCH_DATABASE, BENCH_SYNCHRONOUS, BENCH_UPSTREAM, BENCH_PATH, BENCH_KEY, BENCH_RECIPIENTS } =
  process.env;
const RATE_PER_MINUTE = 100_000_000;
const WINDOW_MS = 24 * 3600 * 1000;

const db = new Database(BENCH_DATABASE);
db.pragma("journal_mode = WAL");
db.pragma(`synchronous = ${BENCH_SYNCHRONOUS}`);
db.exec(`
  create table api_keys (digest blob primary key, name text not null) without rowid;
  create table contacts (phone text primary key, last_inbound_at integer, opted_out integer not null) without rowid;
  create table messages (
    seq integer primary key, id text not null unique, phone text not null, kind text not null, body text not null,
    status text not null, wamid text, created_at integer not null, updated_at integer not null);
  create unique index messages_wamid on messages (wamid) where wamid is not null;
  create index messages_phone on messages (phone, seq);
  create table timeline (message_id text not null, at integer not null, status text not null);
  create index timeline_message on timeline (message_id);
  create table events (seq integer primary key, kind text not null, data text not null, at integer not null);
`);
db.prepare("insert into api_keys values (?, 'bench')").run(createHash("sha256").update(BENCH_KEY).digest());
const openWindow = db.prepare("insert into contacts values (?, ?, 0)");
db.transaction(() => {
  for (const phone of BENCH_RECIPIENTS.split(",")) openWindow.run(phone, Date.now());
})();

const findKey = db.prepare("select name from api_keys where digest = ?");
const findContact = db.prepare("select last_inbound_at, opted_out from contacts where phone = ?");
const insertMessage = db.prepare(
  "insert into messages (id, phone, kind, body, status, created_at, updated_at) values (?, ?, ?, ?, 'sending', ?, ?)");
const updateMessage = db.prepare("update messages set status = ?, wamid = ?, updated_at = ? where id = ?");
const insertTimeline = db.prepare("insert into timeline values (?, ?, ?)");
const insertEvent = db.prepare("insert into events (kind, data, at) values (?, ?, ?)");
const accept = db.transaction((id, phone, kind, body, now) => {
  insertMessage.run(id, phone, kind, body, now, now);
  insertTimeline.run(id, now, "sending");
});
const finish = db.transaction((id, status, wamid, now) => {
  updateMessage.run(status, wamid, now, id);
  insertTimeline.run(id, now, status);
  insertEvent.run(`message.${status}`, JSON.stringify({ id, message_id: wamid, status }), now);
});

const upstream = new Pool(BENCH_UPSTREAM, { connections: 256, pipelining: 1 });
const sends = { minute: 0, count: 0 };

function isAllowed(now) {
  const minute = Math.floor(now / 60_000);
  if (sends.minute !== minute) Object.assign(sends, { minute, count: 0 });
  sends.count += 1;
  return sends.count <= RATE_PER_MINUTE;
}

const schema = {
  body: {
    type: "object",
    required: ["to", "type"],
    properties: {
      messaging_product: { const: "whatsapp" },
      recipient_type: { const: "individual" },
      to: { type: "string", pattern: "^\\+[1-9][0-9]{6,14}$" },
      type: { enum: ["text", "template"] },
      text: {
        type: "object",
        required: ["body"],
        properties: { body: { type: "string", minLength: 1, maxLength: 4096 }, preview_url: { type: "boolean" } },
      },
      template: { type: "object", required: ["name", "language"] },
    },
  },
};

const app = Fastify({ logger: false });
app.post("/send", { schema }, async (request, reply) => {
  const key = request.headers["x-api-key"];
  if (!key || !findKey.get(createHash("sha256").update(key).digest())) {
    return reply.code(401).send({ status: "error", code: "invalid_api_key" });
  }
  const now = Date.now();
  if (!isAllowed(now)) return reply.code(429).send({ status: "error", code: "rate_limited" });
  const { to, type } = request.body;
  const contact = findContact.get(to);
  if (contact?.opted_out) return reply.code(400).send({ status: "error", code: "recipient_opted_out" });
  if (type === "text" && !(contact && now - contact.last_inbound_at < WINDOW_MS)) {
    return reply.code(400).send({ status: "error", code: "window_closed" });
  }
  const id = randomUUID();
  const body = JSON.stringify({ ...request.body, biz_opaque_callback_data: id });
  accept(id, to, type, body, now);
  const answer = await upstream.request({
    method: "POST",
    path: BENCH_PATH,
    headers: { "content-type": "application/json", authorization: "Bearer bench-access-token" },
    body,
  });
  const result = await answer.body.json();
  const wamid = result.messages?.[0]?.id ?? null;
  finish(id, wamid ? "sent" : "failed", wamid, Date.now());
  if (!wamid) return reply.code(502).send({ status: "error", code: "meta_rejected" });
  return { status: "success", data: { id, message_id: wamid, status: "sent" } };
});
await app.listen({ host: "127.0.0.1", port: Number(BENCH_PORT) });
