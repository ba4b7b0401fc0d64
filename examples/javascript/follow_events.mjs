// Follows events as Server-Sent Events. Ends when a message was delivered.
import { call, request } from "./waypost.mjs";

const response = await request("GET", "/api/events/stream?after=latest&events=message.sent,message.delivered");
const sent = await call("POST", "/api/messages/send", { to: "+15550100001", type: "text", text: "Follow me" });

let buffer = "";
follow: for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  buffer += chunk;
  const blocks = buffer.split("\n\n");
  buffer = blocks.pop();
  for (const block of blocks) {
    // An application stores the `id:` with its own data, and reconnects with it in the header `Last-Event-ID`.
    const data = block.split("\n").find((line) => line.startsWith("data: "));
    if (!data) continue;
    const event = JSON.parse(data.slice("data: ".length));
    if (event.data.id !== sent.id) continue;
    console.log(event.event, event.data.to);
    if (event.event === "message.delivered") break follow;
  }
}

// message.sent +15550100001
// message.delivered +15550100001
