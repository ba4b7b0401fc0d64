// Sends a message with the retries of `send`. The simulator refuses the first two attempts.
import { send } from "./waypost.mjs";

// The simulator refuses a message to this number twice with Meta's code 130429, then accepts it.
const template = { name: "hello_world", language: "en_US" };
const sent = await send({ to: "+15550100429", type: "template", template });
console.log(sent.status, sent.message_id);

// sent wamid.HBgL…
