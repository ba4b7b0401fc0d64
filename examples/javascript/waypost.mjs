// A small client: Node's own `fetch` is all it needs.

const URL = process.env.WAYPOST_URL ?? "http://127.0.0.1:8080";
const KEY = process.env.WAYPOST_KEY ?? "wp_test_sandbox_key_for_local_development_only";

/** An answer that says no: `code` is for programs, the text for people. */
export class Refused extends Error {
  constructor(status, answer, retryAfter) {
    super(`${status} ${answer.code}: ${answer.message}`);
    Object.assign(this, { status, code: answer.code, details: answer.details ?? {}, retryAfter });
  }
}

/** Makes a call, and hands back the response. */
export async function request(method, path, body, headers = {}) {
  const isForm = body instanceof FormData;
  const all = { "X-API-Key": KEY, ...(body && !isForm ? { "Content-Type": "application/json" } : {}), ...headers };
  return fetch(URL + path, { method, headers: all, body: isForm ? body : body && JSON.stringify(body) });
}

/** Makes a call, and hands back `data`. */
export async function call(method, path, body, headers) {
  const response = await request(method, path, body, headers);
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer, Number(response.headers.get("Retry-After")) || null);
  return answer.data;
}

/**
 * Sends a message once, however often it takes. 429 and 5xx mean that nothing was sent: the same request is made again.
 * With the same `Idempotency-Key` it is one message even if an answer was lost on the way.
 */
export async function send(message) {
  const key = crypto.randomUUID();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call("POST", "/api/messages/send", message, { "Idempotency-Key": key });
    } catch (error) {
      const isFinal = error instanceof Refused && error.status !== 429 && error.status < 500;
      if (isFinal || attempt === 5) throw error;
      await new Promise((resume) => setTimeout(resume, (error.retryAfter ?? attempt) * 1000));
    }
  }
}
