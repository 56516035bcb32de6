import { LRUCache } from 'lru-cache';
import { createHash } from 'node:crypto';
import type { ConnectionConfig } from './connectionOptions.ts';
import type { RedfishError } from './error.ts';

/** After this long a password that was refused is tried once more, although nobody has changed it. */
const REFUSAL_HOLDS_MS = 3_600_000;
/**
 * The same for one that the BMC has accepted from this state of its Secret: the refusal may pass, as of a BMC that
 * starts, and a power-off may be waiting. It doubles with each refusal in a row, up to the other one, since the
 * password may have been changed at the BMC.
 */
const PASSING_HOLDS_MS = 30_000;
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
  /** State of the Secret from which it was accepted last. */
  acceptedVersion: string | undefined;
  /** In a row. */
  refusals: number;
}

/**
 * By BMC, user and password, for this process: it outlives clients, which are closed when they are idle. A log-in that
 * fails counts towards the lock of the account, whoever makes it.
 */
const known = new LRUCache<string, Known>({ max: MAX_ENTRIES });
/** By BMC and user: the error that says until when the account is locked. */
const locked = new LRUCache<string, Omit<Refusal, 'version'>>({ max: MAX_ENTRIES });

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

  /**
   * The state of the Secret from which the BMC has accepted them last; undefined when it refuses them, or was not asked
   * yet.
   */
  get acceptedVersion(): string | undefined {
    return this.isAccepted ? known.get(this.#key)?.acceptedVersion : undefined;
  }

  /** Another process, or this one before it was started again, had them accepted from that state of the Secret. */
  vouch(acceptedVersion: string | undefined): void {
    if (acceptedVersion === undefined || acceptedVersion !== this.version) return;
    const before = known.get(this.#key);
    if (before !== undefined) return void (before.acceptedVersion ??= acceptedVersion);
    known.set(this.#key, { isAccepted: true, provenPath: undefined, refusal: undefined, acceptedVersion, refusals: 0 });
  }

  /** How long the next refusal holds. */
  get holdMs(): number {
    const { acceptedVersion, refusals = 0 } = known.get(this.#key) ?? {};
    if (acceptedVersion === undefined || acceptedVersion !== this.version) return REFUSAL_HOLDS_MS;
    return Math.min(REFUSAL_HOLDS_MS, PASSING_HOLDS_MS * 2 ** Math.min(refusals, 10));
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
    known.set(this.#key, {
      isAccepted: true,
      provenPath,
      refusal: undefined,
      acceptedVersion: this.version,
      refusals: 0,
    });
  }

  refuse(error: RedfishError): void {
    const untilMs = performance.now() + this.holdMs;
    const refusal = { error, untilMs, version: this.version };
    const { acceptedVersion, refusals = 0 } = known.get(this.#key) ?? {};
    known.set(this.#key, {
      isAccepted: false,
      provenPath: undefined,
      refusal,
      acceptedVersion,
      refusals: refusals + 1,
    });
  }

  /** The account is locked for this long, for every password. */
  lock(error: RedfishError, ms: number): void {
    locked.set(this.#account, { error, untilMs: performance.now() + ms });
  }
}
