// Tests that the deliveries of Waypost verify with the public Standard Webhooks library.
//
// The deliveries are real: the gateway has just sent them to a server.

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const fs = require("node:fs");
const test = require("node:test");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const deliveries = JSON.parse(fs.readFileSync(process.env.WAYPOST_DELIVERIES, "utf8"));
const stranger = "whsec_c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIgMTIzNDU=";

test("there are deliveries, and one is of a rotation", () => {
  assert.ok(deliveries.length >= 4);
  assert.ok(deliveries.some(({ secrets }) => secrets.length === 2));
});

test("each delivery verifies with each of its secrets", () => {
  for (const { headers, body, secrets } of deliveries) {
    for (const secret of secrets) {
      assert.equal(new Webhook(secret).verify(body, headers).id, headers["webhook-id"]);
    }
  }
});

test("no delivery verifies with another secret", () => {
  for (const { headers, body } of deliveries) {
    assert.throws(() => new Webhook(stranger).verify(body, headers), WebhookVerificationError);
  }
});

test("no delivery verifies once it is changed", () => {
  for (const { headers, body, secrets } of deliveries) {
    const webhook = new Webhook(secrets[0]);
    assert.throws(() => webhook.verify(`${body} `, headers), WebhookVerificationError);
    const other = { ...headers, "webhook-id": "evt_other" };
    assert.throws(() => webhook.verify(body, other), WebhookVerificationError);
  }
});

test("the plain signature verifies with the standard library", () => {
  const names = ["x-webhook-signature", "x-webhook-signature-previous"];
  for (const { headers, body, secrets } of deliveries) {
    secrets.forEach((secret, index) => {
      const digest = crypto.createHmac("sha256", secret).update(body).digest("hex");
      assert.equal(headers[names[index]], digest);
    });
  }
});
