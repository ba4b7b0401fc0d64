// Sends a template: the way to write to somebody first.
import { call } from "./waypost.mjs";

const words = ["John", "ORD-789"].map((text) => ({ type: "text", text }));
const template = { name: "order_confirmation", language: "en", components: [{ type: "body", parameters: words }] };
const sent = await call("POST", "/api/messages/send", { to: "+447700900123", type: "template", template });
console.log(sent.status, sent.message_id);

// sent wamid.HBgM…
