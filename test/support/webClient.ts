import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionResult, Session, Snapshot } from '../../web/shared/api.ts';

/** What the server of the web page answers. */
export interface WebAnswer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** Speaks to the server of the web page as the page does, without a browser: with its cookie and its CSRF token. */
export class WebClient {
  readonly url: string;
  cookie = '';
  csrfToken = '';

  constructor(url: string) {
    this.url = url;
  }

  async get<T>(path: string, headers: Record<string, string> = {}): Promise<WebAnswer<T>> {
    return this.#call<T>(path, { headers: { Cookie: this.cookie, ...headers } });
  }

  async post<T = ActionResult>(
    path: string,
    body: object = {},
    headers: Record<string, string> = {},
  ): Promise<WebAnswer<T>> {
    const own = { 'Content-Type': 'application/json', 'X-CSRF-Token': this.csrfToken, Cookie: this.cookie };
    return this.#call<T>(path, { method: 'POST', body: JSON.stringify(body), headers: { ...own, ...headers } });
  }

  /** Reads who is logged in; takes the CSRF token of the answer. */
  async session(): Promise<Session> {
    const { body } = await this.get<Session>('api/session');
    this.csrfToken = body.csrfToken;
    return body;
  }

  async logIn(token: string): Promise<WebAnswer<Session & { error?: string }>> {
    if (this.csrfToken === '') await this.session();
    const answer = await this.post<Session & { error?: string }>('api/login', { token });
    if (answer.status === 200) this.csrfToken = answer.body.csrfToken;
    return answer;
  }

  /** The fleet as one who opens the page gets it. Throws when it is not whole within `boundMs`. */
  async fleet(
    boundMs = 15_000,
  ): Promise<{ hosts: Snapshot['hosts'][number][]; machines: Snapshot['machines'][number][] }> {
    const hosts: Snapshot['hosts'][number][] = [];
    const machines: Snapshot['machines'][number][] = [];
    for await (const { event, data } of this.events({}, boundMs)) {
      if (event !== 'snapshot') continue;
      const part = data as Snapshot;
      hosts.push(...part.hosts);
      machines.push(...part.machines);
      if (part.isLast) return { hosts, machines };
    }
    throw new Error('the stream ended before the fleet was whole');
  }

  /** Every event of a stream until the caller leaves it, the server ends it, or `boundMs` are over. */
  async *events(
    headers: Record<string, string> = {},
    boundMs = 15_000,
  ): AsyncGenerator<{ event: string; id: string | undefined; data: unknown }> {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, AbortSignal.timeout(boundMs)]);
    const response = await fetch(`${this.url}api/events`, { headers: { Cookie: this.cookie, ...headers }, signal });
    if (response.status !== 200 || !response.body)
      throw new Error(`no stream: ${response.status} ${await response.text()}`);
    try {
      let text = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
          const lines = text.slice(0, at).split('\n');
          text = text.slice(at + 2);
          const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
          const event = field('event');
          if (event !== undefined)
            yield { event, id: field('id'), data: JSON.parse(field('data') ?? 'null') as unknown };
        }
      }
    } finally {
      end.abort();
    }
  }

  /** Asks until the answer is as wanted, for what Temporal tells some moments later. Throws after `boundMs`. */
  async until<T>(path: string, isSo: (body: T) => boolean, boundMs = 30_000): Promise<T> {
    const end = performance.now() + boundMs;
    for (;;) {
      const { status, body } = await this.get<T>(path);
      if (status === 200 && isSo(body)) return body;
      if (performance.now() > end)
        throw new Error(`not within ${boundMs} ms: ${path}: ${status} ${JSON.stringify(body)}`);
      await sleep(200);
    }
  }

  async #call<T>(path: string, init: RequestInit): Promise<WebAnswer<T>> {
    const response = await fetch(this.url + path, { ...init, signal: AbortSignal.timeout(15_000) });
    const [cookie] = response.headers.getSetCookie();
    if (cookie !== undefined) this.cookie = cookie.split(';')[0] ?? '';
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }
}
