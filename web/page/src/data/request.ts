/** What the server refused or could not do: `message` is for the person at the page. */
export class RequestFailed extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'RequestFailed';
    this.status = status;
  }
}

const TIMEOUT_MS = 15_000;
let csrfToken = '';
let onLoggedOut: () => void = () => {};

/** The token that changing requests carry; the server gave it with the session. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Called when an answer shows that the session has ended. */
export function whenLoggedOut(call: () => void): void {
  onLoggedOut = call;
}

/** Reads JSON from an address below the page's own. Throws `RequestFailed`; each call ends within 15 s. */
export function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return send<Answer>(path, { method: 'GET' }, signal);
}

/** Posts JSON, with the CSRF token. Throws `RequestFailed`. */
export function post<Answer>(path: string, body: unknown = {}): Promise<Answer> {
  return send<Answer>(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrfToken },
  });
}

async function send<Answer>(path: string, init: RequestInit, signal?: AbortSignal): Promise<Answer> {
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(path, {
    ...init,
    credentials: 'same-origin',
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
  }).catch((error: Error) => {
    if (signal?.aborted) throw error;
    throw new RequestFailed(
      0,
      deadline.aborted
        ? `Beskar7 did not answer within ${TIMEOUT_MS / 1000} s. Try again; if it stays so, look at its log.`
        : 'Beskar7 cannot be reached from this browser. Is it running, and is the network up?',
    );
  });
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as Answer;
  const said = (await response.json().catch(() => ({}))) as { error?: string; message?: string };
  if (response.status === 401) onLoggedOut();
  throw new RequestFailed(
    response.status,
    said.error ?? said.message ?? `Beskar7 answered ${response.status} ${response.statusText}.`,
  );
}
