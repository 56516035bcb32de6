import type { ConnectionConfig } from './connectionOptions.ts';
import { RedfishError } from './error.ts';
import { field, linkOf, textOf } from './json.ts';
import { isRedirect, isSuccess, refusalOf, type Reply } from './reply.ts';

/** Sends one request as it is, without retries; used for logging in and out. */
export type RawSend = (
  request: { method: 'GET' | 'POST' | 'DELETE'; path: string; body?: unknown },
  headers: Readonly<Record<string, string>>,
) => Promise<Reply>;

/** How the conversation lets the authentication act. */
export interface Means {
  readonly send: RawSend;
  /** As `send`, to the answer or the deadline of an HTTP call, whatever becomes of the caller meanwhile. */
  readonly sendToEnd: RawSend;
  /** What the promise gives, unless the caller goes, or its time is over, before. */
  readonly within: <T>(result: Promise<T>) => Promise<T>;
  readonly pause: (ms: number) => Promise<void>;
}

/** A session of a BMC (DSP0266 §"Redfish session login authentication"). */
export interface Session {
  readonly token: string;
  /** Where it can be deleted; undefined when the BMC has not told. */
  readonly path: string | undefined;
}

/** What came of a log-in that the BMC answered, and did not put off. */
export type LoginResult =
  | { readonly kind: 'session'; readonly session: Session }
  /** 401, 403 and other refusals. */
  | { readonly kind: 'refused'; readonly reply: Reply }
  /** The BMC has no sessions. */
  | { readonly kind: 'unknown'; readonly reply: Reply };

/** How links of the BMC become paths at the address that we have. */
export interface Links {
  /** Of a resource. Throws `Protocol` when it is at another address. */
  resolve(link: string): string;
  /** Of what the BMC has made for us: by its path alone, since a BMC behind NAT names itself differently. */
  pathOf(link: string): string | undefined;
}

const MAX_REDIRECTS = 3;
const NO_SESSIONS: ReadonlySet<number> = new Set([404, 405, 501]);

/** The session service of one BMC. */
export class SessionService {
  readonly #config: ConnectionConfig;
  readonly #links: Links;
  readonly #redact: (text: string) => string;
  #path: string | undefined;

  constructor(config: ConnectionConfig, links: Links, redact: (text: string) => string) {
    this.#config = config;
    this.#links = links;
    this.#redact = redact;
  }

  /**
   * One log-in. Throws `Busy` when the BMC puts it off or has no free session, `Protocol` when it opens one without a
   * token, and the error of a connection that broke: never as one to be repeated at once, since a log-in that failed
   * counts towards the lock of the account. `sendToEnd` sends what makes or ends a session.
   */
  async login(send: RawSend, sendToEnd: RawSend): Promise<LoginResult> {
    const { username, password, host } = this.#config;
    let path = await this.#sessionsPath(send);
    // Kept for the next log-in also where a slow BMC does not answer this one in time.
    this.#path = path;
    const body = { UserName: username, Password: password };
    for (let redirects = 0; ; redirects += 1) {
      const reply = await once(sendToEnd({ method: 'POST', path, body }, {}));
      if (isRedirect(reply, 'POST') && redirects < MAX_REDIRECTS) {
        path = this.#redirected(path, reply);
        continue;
      }
      this.#path = path;
      if (isSuccess(reply)) return { kind: 'session', session: await this.#sessionOf(reply, sendToEnd) };
      const refusal = refusalOf(reply, `the log-in at ${host}`, false, this.#redact);
      if (refusal.kind === 'Busy') throw refusal;
      this.#path = undefined;
      return { kind: NO_SESSIONS.has(reply.status) ? 'unknown' : 'refused', reply };
    }
  }

  /** Gives the slot of a session back, with the credentials of `headers`. True: it is gone. Never throws. */
  async logout(session: Session, send: RawSend, headers: Readonly<Record<string, string>>): Promise<boolean> {
    if (session.path === undefined) return true;
    try {
      const reply = await send({ method: 'DELETE', path: session.path }, headers);
      return isSuccess(reply) || reply.status === 404;
    } catch {
      return false;
    }
  }

  async #sessionOf(reply: Reply, send: RawSend): Promise<Session> {
    const { username, password, host } = this.#config;
    const location = textOf(reply.headers['location'], 2048) ?? linkOf(reply.json);
    const path = location === undefined ? undefined : this.#links.pathOf(location);
    const token = reply.headers['x-auth-token'];
    if (token !== undefined && /^[\x21-\x7e]+$/.test(token)) return { token, path };
    // Nobody can use it, and it would hold a slot.
    await this.logout({ token: '', path }, send, basicHeader(username, password));
    throw new RedfishError('Protocol', `the BMC ${host} accepted the log-in but gave no X-Auth-Token`);
  }

  /** To its own slash mostly. Anywhere else the password is not sent. */
  #redirected(path: string, reply: Reply): string {
    const location = reply.headers['location'] ?? '';
    const target = this.#links.pathOf(location);
    // The same path at another address, such as from http to https: that is for the operator.
    return target === undefined || target === path ? this.#links.resolve(location) : target;
  }

  /** The service root is readable without credentials (DSP0266 §"Service root request"). */
  async #sessionsPath(send: RawSend): Promise<string> {
    if (this.#path !== undefined) return this.#path;
    const { rootPath } = this.#config;
    const root = await send({ method: 'GET', path: rootPath }, {});
    const link = linkOf(field(root.json, 'Links', 'Sessions'));
    if (link !== undefined) return this.#links.resolve(link);
    const service = linkOf(field(root.json, 'SessionService'));
    return service === undefined
      ? `${rootPath}SessionService/Sessions`
      : `${this.#links.resolve(service).replace(/\/+$/, '')}/Sessions`;
  }
}

/** The header of Basic authentication (RFC 7617, in UTF-8). */
export function basicHeader(username: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

async function once(reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply;
  } catch (error) {
    if (!(error instanceof RedfishError) || !error.lostConnection) throw error;
    throw new RedfishError(error.kind, error.message, { cause: error.cause, retryable: error.retryable });
  }
}
