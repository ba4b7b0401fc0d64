// Sends a template to somebody who has not written in the last 24 hours.
import { call } from "./waypost.mjs";

const parameters = ["John", "ORD-789"].map((text) => ({ type: "text", text }));
const template = { name: "order_confirmation", language: "en", components: [{ type: "body", parameters }] };
const sent = await call("POST", "/api/messages/send", { to: "+447700900123", type: "template", template });
console.log(sent.status, sent.message_id);

// sent wamid.HBgM…
