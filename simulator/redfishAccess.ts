import type { FaultSet } from './faults.ts';
import type { Profile } from './profiles.ts';
import { failure, notFound, type RedfishAnswer } from './redfishAnswer.ts';
import { link, parseBody, REDFISH_ROOT as ROOT, type RedfishRequest } from './redfishRequest.ts';
import type { Sessions } from './sessions.ts';

/** What decides who may call a BMC. */
export interface AccessParts {
  readonly profile: Profile;
  readonly sessions: Sessions;
  readonly credentials: { username: string; password: string };
  /** Passwords that a fault has changed: who uses one has met that. */
  readonly formerPasswords: ReadonlySet<string>;
  readonly faults: FaultSet;
}

/** Who may call a BMC: sessions and Basic authentication, as its profile has them. */
export class RedfishAccess {
  readonly #profile: Profile;
  readonly #sessions: Sessions;
  readonly #credentials: { username: string; password: string };
  readonly #formerPasswords: ReadonlySet<string>;
  readonly #faults: FaultSet;

  constructor(parts: AccessParts) {
    this.#profile = parts.profile;
    this.#sessions = parts.sessions;
    this.#credentials = parts.credentials;
    this.#formerPasswords = parts.formerPasswords;
    this.#faults = parts.faults;
  }

  /** A new session; 401 for wrong credentials, 503 when there are too many. */
  logIn(request: RedfishRequest): RedfishAnswer {
    const body = parseBody(request.body);
    const { username, password } = this.#credentials;
    if (this.#profile.auth === 'basic')
      return failure(405, 'Base.1.8.ActionNotSupported', 'There are no sessions here.');
    if (typeof body?.Password === 'string') this.#notePassword(body.Password);
    if (this.#faults.take('unauthorized') || body?.UserName !== username || body.Password !== password) {
      return failure(401, 'Base.1.8.InsufficientPrivilege', 'The credentials are wrong.');
    }
    const session = this.#sessions.create();
    if (!session)
      return failure(503, 'Base.1.8.SessionLimitExceeded', 'There are no free sessions.', { 'retry-after': '5' });
    const location = `${ROOT}/SessionService/Sessions/${session.id}`;
    return {
      status: 201,
      headers: { 'x-auth-token': session.token, location },
      body: { ...link(this.#profile, location), Id: session.id },
    };
  }

  /** The end of a session. */
  logOut(path: string): RedfishAnswer {
    const id = /^\/redfish\/v1\/SessionService\/Sessions\/(\w+)$/.exec(path)?.[1];
    if (id === undefined) return failure(405, 'Base.1.8.ActionNotSupported', `DELETE ${path} is not supported.`);
    return this.#sessions.end(id) ? { status: 204 } : notFound(path);
  }

  /** Whether it comes with a session, or with credentials where the profile takes them. */
  allows({ headers }: RedfishRequest): boolean {
    if (this.#faults.take('unauthorized')) return false;
    const token = headers['x-auth-token'];
    if (typeof token === 'string') {
      const lost = this.#sessions.takeLost(token);
      if (lost !== undefined) this.#faults.meet(lost);
      return this.#sessions.isValid(token);
    }
    const { authorization } = headers;
    if (this.#profile.auth === 'session' || typeof authorization !== 'string') return false;
    const [scheme, value = ''] = authorization.split(' ');
    const { username, password } = this.#credentials;
    const given = Buffer.from(value, 'base64').toString();
    this.#notePassword(given.slice(given.indexOf(':') + 1));
    return scheme === 'Basic' && given === `${username}:${password}`;
  }

  /** What a service that knows Basic offers with each 401 (RFC 9110 §11.6.1). */
  challenge(): Record<string, string> {
    return this.#profile.auth === 'session' ? {} : { 'www-authenticate': 'Basic realm="Redfish"' };
  }

  #notePassword(given: string): void {
    if (given !== this.#credentials.password && this.#formerPasswords.has(given)) this.#faults.meet('password');
  }
}
