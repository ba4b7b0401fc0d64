// Uploads a file and sends it.
import { call } from "./waypost.mjs";

const form = new FormData();
form.append("file", new Blob(["Two blue cups: 12 EUR\n"], { type: "text/plain" }), "invoice.txt");
const file = await call("POST", "/api/media", form);
console.log("uploaded", file.mime_type, file.size);

const document = { id: file.id, filename: "invoice.txt" };
const sent = await call("POST", "/api/messages/send", { to: "+15550100001", type: "document", document });
console.log(sent.status, sent.message_id);

// uploaded text/plain 22
// sent wamid.HBgL…
