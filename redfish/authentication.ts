import { readBmcMessage } from './bmcMessage.ts';
import type { ConnectionConfig } from './connectionOptions.ts';
import { RedfishError } from './error.ts';
import { field, linkOf, textOf } from './json.ts';
import { isSuccess, refusalOf, type Reply } from './reply.ts';

/** Sends one request as it is, without retries; used for logging in and out. */
export type RawSend = (
  request: { method: 'GET' | 'POST' | 'DELETE'; path: string; body?: unknown },
  headers: Readonly<Record<string, string>>,
) => Promise<Reply>;

interface Session {
  readonly token: string;
  readonly path: string | undefined;
}

/** After a refusal nothing is tried for so long, whoever asks: repeated logins lock accounts. Less than the minute in which enrolment and monitor ask again. */
const REFUSAL_HOLDS_MS = 55_000;

/**
 * Who the client is to its BMC. Basic first, since it uses no session slot; a session once Basic was refused (DSP0266
 * §"Redfish session login authentication"), renewed once when its token expires.
 */
export class Authentication {
  readonly #config: ConnectionConfig;
  readonly #resolve: (link: string) => string;
  readonly #redact: (text: string) => string;
  #session: Session | undefined;
  #refusal: { readonly error: RedfishError; readonly untilMs: number } | undefined;

  constructor(config: ConnectionConfig, resolve: (link: string) => string, redact: (text: string) => string) {
    this.#config = config;
    this.#resolve = resolve;
    this.#redact = redact;
  }

  /** What must never be seen: for the redactor. */
  get secrets(): readonly string[] {
    const { username, password } = this.#config;
    const basic = Buffer.from(`${username}:${password}`).toString('base64');
    return [password, basic, ...(this.#session === undefined ? [] : [this.#session.token])];
  }

  /** The headers that authenticate a request. Throws the last refusal while that is fresh, and nothing is sent. */
  headers(): Record<string, string> {
    if (this.#refusal !== undefined) {
      if (performance.now() < this.#refusal.untilMs) throw this.#refusal.error;
      this.#refusal = undefined;
    }
    if (this.#session !== undefined) return { 'x-auth-token': this.#session.token };
    const { username, password } = this.#config;
    return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
  }

  /** After a 401: opens a session in place of Basic, or of the session that ended. Throws `Unauthorized` when refused. */
  async renew(send: RawSend): Promise<void> {
    this.#session = undefined;
    const sessions = await this.#sessionsPath(send);
    const { username, password } = this.#config;
    const reply = await send({ method: 'POST', path: sessions, body: { UserName: username, Password: password } }, {});
    if (!isSuccess(reply)) {
      const error = refusalOf(reply, `the login at ${this.#config.host}`, false, this.#redact);
      // Anything but "later" is a no: 400 and 404 come from services without sessions, which refused Basic before.
      throw error.kind === 'Busy' ? error : this.refuse(reply);
    }
    const token = reply.headers['x-auth-token'];
    if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
      throw new RedfishError('Protocol', `the BMC ${this.#config.host} accepted the login but gave no X-Auth-Token`);
    }
    const location = textOf(reply.headers['location'], 2048) ?? linkOf(reply.json);
    this.#session = { token, path: location === undefined ? undefined : this.#resolve(location) };
  }

  /** Remembers that the credentials were refused and gives the error that says so. */
  refuse(reply: Reply): RedfishError {
    this.#session = undefined;
    const said = readBmcMessage(reply.json, this.#redact);
    const { username, host } = this.#config;
    const error = new RedfishError(
      'Unauthorized',
      `the BMC ${host} refuses the user ${JSON.stringify(username)} (${reply.status})${said.text === '' ? '' : `, saying "${said.text}"`}: ` +
        'check username and password in the credentials Secret, and that the account is not locked',
      { status: reply.status, messageIds: said.messageIds, retryable: false },
    );
    this.#refusal = { error, untilMs: performance.now() + REFUSAL_HOLDS_MS };
    return error;
  }

  /** Gives the session's slot back. Failures do not matter: the BMC ends idle sessions itself. */
  async logout(send: RawSend): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session?.path === undefined) return;
    await send({ method: 'DELETE', path: session.path }, { 'x-auth-token': session.token }).catch(() => undefined);
  }

  /** The service root is readable without credentials (DSP0266 §"Service root request"). */
  async #sessionsPath(send: RawSend): Promise<string> {
    const { rootPath } = this.#config;
    const root = await send({ method: 'GET', path: rootPath }, {});
    const link = linkOf(field(root.json, 'Links', 'Sessions'));
    if (link !== undefined) return this.#resolve(link);
    const service = linkOf(field(root.json, 'SessionService'));
    return service === undefined
      ? `${rootPath}SessionService/Sessions`
      : `${this.#resolve(service).replace(/\/+$/, '')}/Sessions`;
  }
}
