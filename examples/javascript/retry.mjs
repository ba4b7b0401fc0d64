// Sends with the loop of `send`: here WhatsApp is told to be busy twice before it takes the message.
import { send } from "./waypost.mjs";

// The sandbox's number ending in 0429 is refused twice with Meta's 130429, then accepted.
const template = { name: "hello_world", language: "en_US" };
const sent = await send({ to: "+15550100429", type: "template", template });
console.log(sent.status, sent.message_id);

// sent wamid.HBgL…
