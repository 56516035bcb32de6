import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { WebKube } from './dependencies.ts';
import { identityOf, type Identity } from './reviews.ts';

const MAX_SESSIONS = 1000;
/** Of one person: an older one of theirs makes room, and never one of others. */
const MAX_OF_ONE = 20;
const LONGEST_MS = 12 * 3_600_000;
const IDLE_MS = 3_600_000;

/** A logged-in person. The token is kept here only, in memory. */
export interface Session {
  readonly id: string;
  readonly token: string;
  readonly csrfToken: string;
  readonly identity: Identity;
  /** Aborts when the session ends. */
  readonly ended: AbortSignal;
}

interface Kept extends Session {
  identity: Identity;
  readonly end: AbortController;
  readonly beganAt: number;
  usedAt: number;
  checkedAt: number;
  checking: Promise<void> | undefined;
}

/**
 * Who is logged in: bounded, twelve hours at most, one hour when it is not used. Whether a token still counts is asked
 * again every `identityMs`, so that one that was revoked, or has run out, ends its session.
 */
export class Sessions {
  readonly #kube: WebKube;
  readonly #identityMs: number;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();

  constructor(kube: WebKube, options: { identityMs: number; now?: () => number }) {
    this.#kube = kube;
    this.#identityMs = options.identityMs;
    this.#now = options.now ?? (() => performance.now());
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * A new session for a token that the API server accepts; undefined: it does not. The one unused for longest makes
   * room. Throws KubeError.
   */
  async begin(token: string): Promise<Session | undefined> {
    const identity = await identityOf(this.#kube, token);
    if (identity === undefined) return undefined;
    const end = new AbortController();
    const now = this.#now();
    const session: Kept = {
      id: randomBytes(32).toString('base64url'),
      token,
      csrfToken: randomBytes(32).toString('base64url'),
      identity,
      ended: end.signal,
      end,
      beganAt: now,
      usedAt: now,
      checkedAt: now,
      checking: undefined,
    };
    this.#sweep();
    const own = [...this.#kept.values()].filter((kept) => kept.identity.username === identity.username);
    for (const oldest of own.slice(0, Math.max(0, own.length - MAX_OF_ONE + 1))) this.end(oldest.id);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < MAX_SESSIONS) break;
      this.end(oldest);
    }
    this.#kept.set(session.id, session);
    return session;
  }

  /** The session of an id, while its token counts. Throws KubeError when that is due to be asked and cannot be. */
  async find(id: string | undefined): Promise<Session | undefined> {
    const session = id === undefined ? undefined : this.#kept.get(id);
    if (session === undefined) return undefined;
    const now = this.#now();
    if (this.#isOver(session, now)) {
      this.end(session.id);
      return undefined;
    }
    session.usedAt = now;
    // A Map keeps the order of insertion: the first is the one unused for longest.
    this.#kept.delete(session.id);
    this.#kept.set(session.id, session);
    if (now - session.checkedAt >= this.#identityMs) await this.#check(session);
    return session.ended.aborted ? undefined : session;
  }

  /** The session of an id, without asking whether its token still counts: to end it. */
  kept(id: string | undefined): Session | undefined {
    return id === undefined ? undefined : this.#kept.get(id);
  }

  end(id: string): void {
    const session = this.#kept.get(id);
    this.#kept.delete(id);
    session?.end.abort();
  }

  endAll(): void {
    for (const id of [...this.#kept.keys()]) this.end(id);
  }

  /** Asked once for all requests that come in meanwhile. */
  #check(session: Kept): Promise<void> {
    session.checking ??= (async () => {
      try {
        const identity = await identityOf(this.#kube, session.token);
        if (identity === undefined) return this.end(session.id);
        session.identity = identity;
        session.checkedAt = this.#now();
      } finally {
        session.checking = undefined;
      }
    })();
    return session.checking;
  }

  #sweep(): void {
    const now = this.#now();
    for (const session of [...this.#kept.values()]) if (this.#isOver(session, now)) this.end(session.id);
  }

  #isOver({ beganAt, usedAt }: Kept, now: number): boolean {
    return now - beganAt > LONGEST_MS || now - usedAt > IDLE_MS;
  }
}

/** Compares two secrets in a time that does not tell how much of them is the same. */
export function isSameSecret(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
