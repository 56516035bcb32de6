import { readBmcMessage } from './bmcMessage.ts';
import type { ConnectionConfig } from './connectionOptions.ts';
import { CredentialRecord } from './credentials.ts';
import { growingPauseMs } from './delay.ts';
import { RedfishError } from './error.ts';
import {
  lockedError,
  lockedForMs,
  passwordChangeError,
  quote,
  refusedError,
  isPasswordChangeRequired,
  type RefusedLogin,
} from './loginMessage.ts';
import type { Refusals, Refused } from './refusals.ts';
import { isSuccess, type Reply } from './reply.ts';
import {
  basicHeader,
  SessionService,
  type Links,
  type LoginResult,
  type Means,
  type RawSend,
  type Session,
} from './session.ts';

/** How often a request with good credentials is repeated when it is answered 401: some BMCs do that now and then. */
const MAX_REPEATS = 3;

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
  #underWay: Promise<void> = Promise.resolve();

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

  /** No log-in is under way any more; the BMC's lock is kept until then. Never rejects. */
  get settled(): Promise<void> {
    return this.#underWay;
  }

  /** The BMC has accepted these credentials. */
  get isAccepted(): boolean {
    return this.record.isAccepted;
  }

  /**
   * Before a request: logs in where sessions are used and there is none. Throws the last refusal while that holds, and
   * nothing is sent.
   */
  async prepare(means: Means): Promise<void> {
    const { hold } = this.record;
    if (hold !== undefined) throw hold;
    if (this.#usesSessions && this.#session === undefined) await this.#open(means);
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
    if (isPasswordChangeRequired(said)) throw this.#passwordChangeRequired(reply);
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
  async #logIn(means: Means): Promise<LoginResult> {
    this.#usesSessions = true;
    const result = await this.#login(means);
    if (result.kind !== 'session') this.#usesSessions = false;
    return result;
  }

  /**
   * One log-in. What it comes to is heard also when its caller has gone: a session would hold a slot that nobody gives
   * back, and is used by the next call; a password that is refused is not to be sent again.
   */
  async #login(means: Means): Promise<LoginResult> {
    let isLate = false;
    const login = this.#service.login(means.send, means.sendToEnd);
    this.#underWay = login.then((result) => (isLate ? this.#takeLate(result) : undefined)).catch(() => undefined);
    try {
      return await means.within(login);
    } catch (error) {
      isLate = true;
      throw error;
    }
  }

  /** Its errors are for the next call, which finds them recorded. */
  #takeLate(result: LoginResult): void {
    if (result.kind === 'unknown') this.#usesSessions = this.#config.authentication === 'Session';
    else this.#take(result, undefined);
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
  async #open(means: Means): Promise<void> {
    let result = await this.#login(means);
    if (result.kind === 'refused' && result.reply.status === 401 && this.isAccepted) {
      await means.pause(growingPauseMs(0));
      result = await this.#login(means);
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
      if (isPasswordChangeRequired(said)) throw this.#passwordChangeRequired(result.reply);
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
    const error = refusedError(this.#refusedLogin(reply), this.record.holdMs);
    this.record.refuse(error);
    return error;
  }

  #lock(reply: Reply, ms: number): RedfishError {
    this.#session = undefined;
    const error = lockedError(this.#refusedLogin(reply), ms);
    this.record.lock(error, ms);
    return error;
  }

  #passwordChangeRequired(reply: Reply): RedfishError {
    return passwordChangeError(this.#refusedLogin(reply));
  }

  #refusedLogin(reply: Reply): RefusedLogin {
    return { config: this.#config, reply, said: readBmcMessage(reply.json, this.#redact) };
  }

  /** Read without credentials everywhere: it proves nothing. */
  #isPublic(path: string): boolean {
    const { rootPath } = this.#config;
    const base = rootPath.replace(/\/+$/, '');
    const own = path.replace(/\/+$/, '');
    return own === base || own === base.replace(/\/v1$/, '') || /\/(odata|\$metadata)$/.test(own);
  }
}
