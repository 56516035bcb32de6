import { readBmcMessage } from './bmcMessage.ts';
import type { ConnectionConfig } from './connectionOptions.ts';
import { CredentialRecord } from './credentials.ts';
import { growingPauseMs } from './delay.ts';
import { RedfishError } from './error.ts';
import { inMs, lockedForMs, quote, saying, saysPasswordChangeRequired } from './loginMessage.ts';
import { isSuccess, type Reply } from './reply.ts';
import { basicHeader, SessionService, type Links, type LoginResult, type RawSend, type Session } from './session.ts';

/** How often a request with good credentials is repeated when it is answered 401: some BMCs do that now and then. */
const MAX_REPEATS = 3;

/** What was done so far about the refusals of one request. */
export interface Refusals {
  /** A session was opened for it: no second one. */
  isRenewed: boolean;
  /** Its credentials were found good after it was refused. */
  isProven: boolean;
  repeats: number;
}

export function noRefusals(): Refusals {
  return { isRenewed: false, isProven: false, repeats: 0 };
}

/** What an answer of 401 or 403 is judged by. */
export interface Refused {
  readonly reply: Reply;
  readonly request: { readonly method: string; readonly path: string };
  /** Names the request in messages. */
  readonly what: string;
  readonly refusals: Refusals;
}

/** How the conversation lets the authentication act. */
export interface Means {
  readonly send: RawSend;
  readonly pause: (ms: number) => Promise<void>;
}

/**
 * Who the client is to its BMC. By default Basic, since it uses no session slot, and a session where Basic is not
 * offered. Each log-in that fails counts towards the lock of the account: credentials that were never accepted are
 * refused with the first 401, and not sent again for an hour or until their Secret changes (`CredentialRecord`). Of
 * credentials that were accepted, also by another process, a 401 may be a hiccup or may be the resource's own: the
 * request is repeated after pauses, and a resource that is known to answer says which of both it is.
 */
export class Authentication {
  readonly #config: ConnectionConfig;
  readonly #redact: (text: string) => string;
  /** What is known of the credentials, beyond this client. */
  readonly record: CredentialRecord;
  readonly #service: SessionService;
  readonly #refusedPaths = new Set<string>();
  #session: Session | undefined;
  #usesSessions: boolean;

  constructor(config: ConnectionConfig, links: Links, redact: (text: string) => string) {
    this.#config = config;
    this.#redact = redact;
    this.record = new CredentialRecord(config);
    this.#service = new SessionService(config, links, redact);
    this.#usesSessions = config.authentication === 'Session' || config.authentication === 'PreferSession';
  }

  /** What must never be seen: for the redactor. */
  get secrets(): readonly string[] {
    const { username, password } = this.#config;
    const basic = basicHeader(username, password).authorization.slice('Basic '.length);
    return [password, basic, ...(this.#session === undefined ? [] : [this.#session.token])];
  }

  /** The BMC has accepted these credentials. */
  get isAccepted(): boolean {
    return this.record.isAccepted;
  }

  /**
   * Before a request: logs in where sessions are used and there is none. Throws the last refusal while that holds, and
   * nothing is sent.
   */
  async prepare({ send, pause }: Means): Promise<void> {
    const { hold } = this.record;
    if (hold !== undefined) throw hold;
    if (this.#usesSessions && this.#session === undefined) await this.#open({ send, pause });
  }

  /** The headers that authenticate a request. */
  headers(): Record<string, string> {
    if (this.#session !== undefined) return { 'x-auth-token': this.#session.token };
    return basicHeader(this.#config.username, this.#config.password);
  }

  /** Learns from an answer that is no refusal. */
  learn(reply: Reply, { method, path }: { readonly method: string; readonly path: string }): void {
    if (!isSuccess(reply) || this.#isPublic(path)) return;
    this.#refusedPaths.delete(path);
    this.record.accept(method === 'GET' ? path : undefined);
  }

  /**
   * What to do about a 401 or 403. True: the request is to be sent again. False: the answer stands. Throws
   * `Unauthorized` when the credentials are refused, or the resource refuses them, and `PasswordChangeRequired`.
   */
  async retries(refused: Refused, means: Means): Promise<boolean> {
    const { reply } = refused;
    const said = readBmcMessage(reply.json, this.#redact);
    if (saysPasswordChangeRequired(said)) throw this.#passwordChangeRequired(reply);
    const lockMs = reply.status === 401 ? lockedForMs(said, reply.headers['retry-after']) : undefined;
    if (lockMs !== undefined) throw this.#lock(reply, lockMs);
    if (reply.status === 403) return this.#retriesForbidden(refused, means);
    return this.#session === undefined ? this.#retriesBasic(refused, means) : this.#retriesSession(refused, means);
  }

  /** Gives the session's slot back. Failures do not matter: the BMC ends idle sessions itself. */
  async logout(send: RawSend): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) await this.#service.logout(session, send, { 'x-auth-token': session.token });
  }

  /** Some BMCs mean with it that Basic is off. Credentials that were accepted, or a session, lack a privilege. */
  async #retriesForbidden({ refusals, reply }: Refused, means: Means): Promise<boolean> {
    const isNew = this.#session === undefined && !this.isAccepted && !refusals.isRenewed;
    if (!isNew || this.#config.authentication === 'Basic') return false;
    refusals.isRenewed = true;
    const result = await this.#logIn(means);
    if (result.kind === 'unknown') return false;
    this.#take(result, reply);
    return true;
  }

  async #retriesBasic(refused: Refused, means: Means): Promise<boolean> {
    const { reply, refusals } = refused;
    if (!this.isAccepted) {
      if (refusals.isRenewed || !this.#maySession(reply)) throw this.#refuse(reply);
      refusals.isRenewed = true;
      this.#take(await this.#logIn(means), reply);
      return true;
    }
    if (!refusals.isProven && !(await this.#proves(refused, means))) {
      if (refusals.repeats < MAX_REPEATS) return this.#repeats(refusals, means);
      if (refusals.isRenewed || !this.#maySession(reply)) throw this.#refuse(reply);
      refusals.isRenewed = true;
      this.#take(await this.#logIn(means), reply);
      return true;
    }
    return this.#repeatsOwn(refused, means);
  }

  /**
   * A log-in where Basic was refused. That this BMC takes sessions is remembered before its answer is there: a slow one
   * may answer only when the request was given up, and each further Basic would be one more refused log-in.
   */
  async #logIn({ send }: Means): Promise<LoginResult> {
    this.#usesSessions = true;
    const result = await this.#service.login(send);
    if (result.kind !== 'session') this.#usesSessions = false;
    return result;
  }

  /** A session that ended is renewed once for a request; a 401 to a new session is the resource's own. */
  async #retriesSession(refused: Refused, means: Means): Promise<boolean> {
    const { refusals } = refused;
    if (refusals.isRenewed) return this.#repeatsOwn(refused, means);
    refusals.isRenewed = true;
    const old = this.#session;
    const isGone = old === undefined || (await this.#service.logout(old, means.send, this.headers()));
    this.#session = undefined;
    await this.#open(means);
    // It lives, since it was the resource that refused it: the new one may end it.
    if (old !== undefined && !isGone) await this.#service.logout(old, means.send, this.headers());
    return true;
  }

  /** Opens a session; one refusal of credentials that were accepted before may be a hiccup. */
  async #open({ send, pause }: Means): Promise<void> {
    let result = await this.#service.login(send);
    if (result.kind === 'refused' && result.reply.status === 401 && this.isAccepted) {
      await pause(growingPauseMs(0));
      result = await this.#service.login(send);
    }
    if (result.kind === 'unknown' && this.#config.authentication !== 'Session') {
      this.#usesSessions = false;
      return;
    }
    this.#take(result, result.kind === 'session' ? undefined : result.reply);
  }

  /** `reply`: the answer that the refusal quotes when the log-in is refused by a service without sessions. */
  #take(result: LoginResult, reply: Reply | undefined): void {
    if (result.kind !== 'session') {
      const said = readBmcMessage(result.reply.json, this.#redact);
      if (saysPasswordChangeRequired(said)) throw this.#passwordChangeRequired(result.reply);
      const lockMs = lockedForMs(said, result.reply.headers['retry-after']);
      if (result.kind === 'refused' && lockMs !== undefined) throw this.#lock(result.reply, lockMs);
      throw this.#refuse(result.kind === 'refused' ? result.reply : (reply ?? result.reply));
    }
    this.#session = result.session;
    this.#usesSessions = true;
    this.record.accept();
  }

  /** Whether a session may be tried after Basic was refused: each try is one more log-in. */
  #maySession(reply: Reply): boolean {
    const offered = reply.headers['www-authenticate'] ?? '';
    return this.#config.authentication !== 'Basic' && !/(^|[,\s])basic\b/i.test(offered);
  }

  /** A resource that is known to answer is read with the same credentials. Undefined where there is no other one. */
  async #proves({ request, refusals }: Refused, { send, pause }: Means): Promise<boolean> {
    const { provenPath } = this.record;
    if (provenPath === undefined || provenPath === request.path) return false;
    for (; refusals.repeats < MAX_REPEATS; refusals.repeats += 1) {
      await pause(growingPauseMs(refusals.repeats));
      const reply = await send({ method: 'GET', path: provenPath }, this.headers());
      if (reply.status === 401) continue;
      refusals.isProven = true;
      refusals.repeats = 0;
      return true;
    }
    return false;
  }

  async #repeats(refusals: Refusals, { pause }: Means): Promise<boolean> {
    await pause(growingPauseMs(refusals.repeats));
    refusals.repeats += 1;
    return true;
  }

  /** The credentials are good. One that refuses them every time costs the others no time. */
  #repeatsOwn({ request, reply, what, refusals }: Refused, means: Means): Promise<boolean> {
    const isNew = this.#refusedPaths.size === 0 || request.method !== 'GET';
    if (refusals.repeats < (isNew ? MAX_REPEATS : 1)) return this.#repeats(refusals, means);
    if (this.#refusedPaths.size < 64) this.#refusedPaths.add(request.path);
    const said = readBmcMessage(reply.json, this.#redact);
    const { username } = this.#config;
    const message =
      `${what} was refused (401)${quote(said.text)}, although the BMC accepts the user ${JSON.stringify(username)} elsewhere: ` +
      'check what its role may do, and the licenses of the BMC';
    throw new RedfishError('Unauthorized', message, { status: 401, messageIds: said.messageIds, retryable: true });
  }

  /** Remembers that the credentials were refused and gives the error that says so. */
  #refuse(reply: Reply): RedfishError {
    this.#session = undefined;
    const said = readBmcMessage(reply.json, this.#redact);
    const { username, host, authentication } = this.#config;
    const other =
      authentication === 'Auto' && /basic/i.test(reply.headers['www-authenticate'] ?? '')
        ? ' Where the BMC takes sessions only, set redfishConnection.authentication: Session.'
        : '';
    const { holdMs } = this.record;
    const error = new RedfishError(
      'Unauthorized',
      `the BMC ${host} refuses the user ${JSON.stringify(username)} (${reply.status})${saying(said.text)}: ` +
        'check username and password in the credentials Secret, and that the account is not locked. So that it does not get locked, the same ' +
        `password is not sent again before ${inMs(holdMs)}, unless the Secret changes.${other}`,
      { status: reply.status, messageIds: said.messageIds, retryable: false },
    );
    this.record.refuse(error);
    return error;
  }

  #lock(reply: Reply, ms: number): RedfishError {
    this.#session = undefined;
    const said = readBmcMessage(reply.json, this.#redact);
    const { username, host } = this.#config;
    const message =
      `the account ${JSON.stringify(username)} of the BMC ${host} is locked (${reply.status})${saying(said.text)}: ` +
      `it is left alone until ${inMs(ms)}, since each log-in would prolong that. Find out who uses a wrong password`;
    const error = new RedfishError('Unauthorized', message, {
      status: reply.status,
      messageIds: said.messageIds,
      retryable: false,
    });
    this.record.lock(error, ms);
    return error;
  }

  #passwordChangeRequired(reply: Reply): RedfishError {
    const said = readBmcMessage(reply.json, this.#redact);
    const { username, host } = this.#config;
    const message =
      `the BMC ${host} wants the user ${JSON.stringify(username)} to change its password first (${reply.status})${saying(said.text)}: ` +
      'set a new one at the BMC and put it into the credentials Secret';
    return new RedfishError('PasswordChangeRequired', message, { status: reply.status, messageIds: said.messageIds });
  }

  /** Read without credentials everywhere: it proves nothing. */
  #isPublic(path: string): boolean {
    const { rootPath } = this.#config;
    const base = rootPath.replace(/\/+$/, '');
    const own = path.replace(/\/+$/, '');
    return own === base || own === base.replace(/\/v1$/, '') || /\/(odata|\$metadata)$/.test(own);
  }
}
