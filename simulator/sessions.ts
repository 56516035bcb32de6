import { randomBytes } from 'node:crypto';

const LIFE_MS = 30 * 60_000;

/** The fault that ended a session. */
export type LossReason = 'sessionLoss' | 'password';

/** The sessions of one BMC: few slots, and they expire. */
export class Sessions {
  readonly #byToken = new Map<string, { id: string; until: number }>();
  /** Tokens that were forgotten and not used since, and why. */
  readonly #lost = new Map<string, LossReason>();
  readonly #slots: number;
  #made = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get open(): number {
    return this.#byToken.size;
  }

  get made(): number {
    return this.#made;
  }

  /** A new session; undefined when all slots are taken. */
  create(): { id: string; token: string } | undefined {
    for (const [token, { until }] of this.#byToken) if (until < Date.now()) this.#byToken.delete(token);
    if (this.#byToken.size >= this.#slots) return undefined;
    this.#made += 1;
    const session = { id: String(this.#made), token: randomBytes(16).toString('hex') };
    this.#byToken.set(session.token, { id: session.id, until: Date.now() + LIFE_MS });
    return session;
  }

  isValid(token: string | undefined): boolean {
    const session = token === undefined ? undefined : this.#byToken.get(token);
    return session !== undefined && session.until > Date.now();
  }

  end(id: string): boolean {
    for (const [token, session] of this.#byToken) if (session.id === id) return this.#byToken.delete(token);
    return false;
  }

  forgetAll(why: LossReason): void {
    this.#lost.clear();
    for (const token of this.#byToken.keys()) this.#lost.set(token, why);
    this.#byToken.clear();
  }

  /** Why the session of a token was lost; told once. Undefined where none was. */
  takeLost(token: string): LossReason | undefined {
    const why = this.#lost.get(token);
    this.#lost.delete(token);
    return why;
  }
}
