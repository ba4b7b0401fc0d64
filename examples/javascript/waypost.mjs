// A small client without dependencies.

const URL = process.env.WAYPOST_URL ?? "http://127.0.0.1:8080";
const KEY = process.env.WAYPOST_KEY ?? "wp_test_sandbox_key_for_local_development_only";

/** An error answer: programs branch on `code`, the message is for developers. */
export class WaypostError extends Error {
  constructor(status, answer, retryAfter) {
    super(`${status} ${answer.code}: ${answer.message}`);
    Object.assign(this, { status, code: answer.code, details: answer.details ?? {}, retryAfter });
  }
}

/** Sends a request and returns the response. */
export async function request(method, path, body, headers = {}) {
  const isForm = body instanceof FormData;
  const all = { "X-API-Key": KEY, ...(body && !isForm ? { "Content-Type": "application/json" } : {}), ...headers };
  return fetch(URL + path, { method, headers: all, body: isForm ? body : body && JSON.stringify(body) });
}

/** Sends a request and returns the `data` of its answer. */
export async function call(method, path, body, headers) {
  const response = await request(method, path, body, headers);
  const answer = await response.json();
  if (!response.ok) throw new WaypostError(response.status, answer, Number(response.headers.get("Retry-After")) || null);
  return answer.data;
}

/**
 * Sends a message exactly once, with retries. 429 and 5xx mean that nothing was sent, so the request is repeated.
 * The `Idempotency-Key` makes the repetition safe even if the first answer was lost.
 */
export async function send(message) {
  const key = crypto.randomUUID();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call("POST", "/api/messages/send", message, { "Idempotency-Key": key });
    } catch (error) {
      const isFinal = error instanceof WaypostError && error.status !== 429 && error.status < 500;
      if (isFinal || attempt === 5) throw error;
      await new Promise((resume) => setTimeout(resume, (error.retryAfter ?? attempt) * 1000));
    }
  }
}
