// Follows what happens as Server-Sent Events. Ends when a message was delivered.
import { call, request } from "./waypost.mjs";

const response = await request("GET", "/api/events/stream?after=latest&events=message.sent,message.delivered");
const sent = await call("POST", "/api/messages/send", { to: "+15550100001", type: "text", text: "Follow me" });

let text = "";
follow: for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
  text += piece;
  const blocks = text.split("\n\n");
  text = blocks.pop();
  for (const block of blocks) {
    // In an application, keep `id:` beside what you did, and go on with the header `Last-Event-ID`.
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
