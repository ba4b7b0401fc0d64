// The README's first request, sent with the types that openapi-typescript generates from the OpenAPI document.

import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";
import { firstRequest } from "./readme.js";

// The types accept the request as it stands in the README.
const request: components["schemas"]["SendMessageRequest"] = firstRequest;

const [url, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { "X-API-Key": key } });
const { data, error } = await client.POST("/api/messages/send", { body: request });
if (error) {
  throw new Error(`${error.code}: ${error.message}`);
}
if ("would_send" in data.data) {
  throw new Error("the answer is one to a dry run");
}
console.log(data.data.status);
