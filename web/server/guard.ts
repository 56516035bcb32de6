import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { RateLimit } from '../../http/rateLimit.ts';
import { budgetOf } from '../../http/source.ts';
import type { Visitor } from './access.ts';
import { tooMany, WebError } from './errors.ts';
import { isSameSecret, type Session, type Sessions } from './sessions.ts';

/**
 * Log-ins: of one address ten at once, then one in six seconds; of all together enough that no person is locked out.
 */
const LOGINS_OF_ONE = { burst: 10, perSecond: 1 / 6 };
const LOGINS_OF_ALL = { burst: 100, perSecond: 10 };
/** A page that is opened asks some dozen times; then it listens. */
const REQUESTS = { burst: 300, perSecond: 50 };

const LOOPBACK = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\])(:\d{1,5})?$/i;

/** Who is let in, and what is refused before anything is looked at. */
export class Guard {
  readonly #auth: 'token' | 'none';
  readonly #sessions: Sessions;
  readonly #logins: RateLimit;
  readonly #allLogins: RateLimit;
  readonly #requests: RateLimit;
  /** For those without a session. Another page cannot read it, nor send the header. */
  readonly #anonymousToken = randomBytes(32).toString('base64url');

  constructor(auth: 'token' | 'none', sessions: Sessions, now?: () => number) {
    const options = now === undefined ? {} : { now };
    this.#auth = auth;
    this.#sessions = sessions;
    this.#logins = new RateLimit(LOGINS_OF_ONE, options);
    this.#allLogins = new RateLimit(LOGINS_OF_ALL, options);
    this.#requests = new RateLimit(REQUESTS, options);
  }

  get isLoginRequired(): boolean {
    return this.#auth === 'token';
  }

  /** Takes one request of the budget of a source. Throws 429. */
  takeRequest(source: string): void {
    const waitMs = this.#requests.take(budgetOf(source));
    if (waitMs > 0) throw tooMany('Too many requests from this address.', waitMs);
  }

  /** Takes one attempt to log in. Throws 429. */
  takeLogin(source: string): void {
    const waitMs = this.#logins.take(budgetOf(source)) || this.#allLogins.take('all');
    if (waitMs > 0) throw tooMany('A log-in was tried too often.', waitMs);
  }

  /**
   * Where no log-in is asked for, only a page of this machine may speak: a name of somewhere else that was made to lead
   * here (DNS rebinding) is refused. Throws 403.
   */
  requireOwnName(request: IncomingMessage): void {
    if (this.#auth === 'token' || LOOPBACK.test(request.headers.host ?? '')) return;
    throw new WebError(
      403,
      'Open this page at 127.0.0.1 or localhost: it needs no log-in, so it is served under no other name.',
    );
  }

  /** What a POST must carry as X-CSRF-Token. */
  csrfTokenOf(session: Session | undefined): string {
    return session?.csrfToken ?? this.#anonymousToken;
  }

  /** Throws 403 unless the request comes from our own page. */
  requireOwnPage(request: IncomingMessage, session: Session | undefined): void {
    const site = request.headers['sec-fetch-site'];
    const given = [request.headers['x-csrf-token'] ?? ''].flat().join('');
    const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none';
    if (isForeign || !isSameSecret(given, this.csrfTokenOf(session)))
      throw new WebError(403, 'This request did not come from the current page: reload the page and try again.');
  }

  /**
   * Whoever asks; undefined: a log-in is asked for. Throws KubeError when the API server has to be asked and cannot be.
   */
  async visitorOf(sessionId: string | undefined): Promise<Visitor | undefined> {
    if (this.#auth === 'none') return { kind: 'operator' };
    const session = await this.#sessions.find(sessionId);
    return session === undefined ? undefined : { kind: 'user', session };
  }
}
