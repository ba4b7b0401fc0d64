// Sends a text to a customer who has written in the last 24 hours.
import { call } from "./waypost.mjs";

const sent = await call("POST", "/api/messages/send", { to: "+15550100001", type: "text", text: "Hello from JavaScript" });
console.log(sent.status, sent.message_id);

// sent wamid.HBgL…
