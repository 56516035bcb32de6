import { createHash } from 'node:crypto';
import type { ConnectionConfig } from './connectionOptions.ts';
import { LruMap } from './lruMap.ts';
import type { RedfishError } from './error.ts';

/** After this long a password that was refused is tried once more, although nobody has changed it. */
export const REFUSAL_HOLDS_MS = 3_600_000;
const MAX_ENTRIES = 20_000;

interface Refusal {
  readonly error: RedfishError;
  /** By `performance.now()`. */
  readonly untilMs: number;
  /** Of the Secret that held the password. */
  readonly version: string;
}

/** What one BMC has said to one user with one password. */
interface Known {
  /** The password was accepted, and not refused since. */
  isAccepted: boolean;
  /** A resource that was read with it. */
  provenPath: string | undefined;
  refusal: Refusal | undefined;
}

/**
 * By BMC, user and password, for this process: it outlives clients, which are closed when they are idle. A log-in that fails counts towards
 * the lock of the account, whoever makes it.
 */
const known = new LruMap<string, Known>(MAX_ENTRIES);
/** By BMC and user: the error that says until when the account is locked. */
const locked = new LruMap<string, Omit<Refusal, 'version'>>(MAX_ENTRIES);

/** What is known of the credentials of one connection. */
export class CredentialRecord {
  /** Names the state of the Secret that the password is from: a refusal holds until it changes. */
  version = '';
  readonly #key: string;
  readonly #account: string;

  constructor({ origin, username, password }: Pick<ConnectionConfig, 'origin' | 'username' | 'password'>) {
    const hash = (parts: readonly string[]) => createHash('sha256').update(JSON.stringify(parts)).digest('base64');
    this.#key = hash([origin, username, password]);
    this.#account = hash([origin, username]);
  }

  /** The BMC has accepted them, and has not refused them since. */
  get isAccepted(): boolean {
    return known.get(this.#key)?.isAccepted ?? false;
  }

  /** A resource that was read with them; a look at it tells whether they are still good. */
  get provenPath(): string | undefined {
    return known.get(this.#key)?.provenPath;
  }

  /** The error to throw in place of a log-in; undefined when they may be sent. */
  get hold(): RedfishError | undefined {
    const now = performance.now();
    const lock = locked.get(this.#account);
    if (lock !== undefined && now < lock.untilMs) return lock.error;
    const refusal = known.get(this.#key)?.refusal;
    return refusal !== undefined && now < refusal.untilMs && refusal.version === this.version
      ? refusal.error
      : undefined;
  }

  /** They were accepted; `path`: by a read of this resource. */
  accept(path?: string): void {
    const provenPath = path ?? this.provenPath;
    locked.delete(this.#account);
    known.set(this.#key, { isAccepted: true, provenPath, refusal: undefined });
  }

  refuse(error: RedfishError): void {
    const untilMs = performance.now() + REFUSAL_HOLDS_MS;
    const refusal = { error, untilMs, version: this.version };
    known.set(this.#key, { isAccepted: false, provenPath: undefined, refusal });
  }

  /** The account is locked for so long, for every password. */
  lock(error: RedfishError, ms: number): void {
    locked.set(this.#account, { error, untilMs: performance.now() + ms });
  }
}
