import { CLAIMING_MS } from '../../model/deadlines.ts';
interface Reservation {
  /** For which machine; undefined: whose it is has been decided, and the cache shows it in a moment. */
  readonly machineUid: string | undefined;
  readonly version: string | undefined;
  readonly until: number;
}

/** A host as the watch cache shows it. */
interface Seen {
  readonly metadata: { readonly uid?: string; readonly resourceVersion?: string };
}

/**
 * Hosts that this process is claiming or has just claimed, so that its own activities do not race each other for one
 * host while the watch cache is behind. A reservation is for the host as the cache shows it: it ends when the cache
 * shows a newer one (then that says who has it), or after `ttlMs`; that of a claim on its way ends when that has an
 * outcome. Who gets a host is decided by the compare-and-swap: between machines this saves conflicts; for one machine
 * it keeps a second run from claiming beside the first (rule 1).
 */
export class HostReservations {
  readonly #reserved = new Map<string, Reservation>();
  readonly #ttlMs: number;
  readonly #now: () => number;

  constructor(ttlMs = 5_000, now: () => number = () => performance.now()) {
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** Reserves a host for a machine; false when it is reserved already, or has no uid. */
  tryReserve(host: Seen, machineUid?: string): boolean {
    const { uid, resourceVersion } = host.metadata;
    if (uid === undefined || this.isReserved(host)) return false;
    this.#prune();
    const forMs = machineUid === undefined ? this.#ttlMs : CLAIMING_MS;
    this.#reserved.set(uid, { machineUid, version: resourceVersion, until: this.#now() + forMs });
    return true;
  }

  isReserved({ metadata }: Seen): boolean {
    const known = this.#reserved.get(metadata.uid ?? '');
    return known !== undefined && known.version === metadata.resourceVersion && known.until > this.#now();
  }

  /** Whether a claim of the host for this machine is on its way, or has just landed. */
  isReservedFor(host: Seen, machineUid: string | undefined): boolean {
    const known = this.#reserved.get(host.metadata.uid ?? '');
    return machineUid !== undefined && known?.machineUid === machineUid && this.isReserved(host);
  }

  /** The claim was lost to someone else. */
  lose({ metadata: { uid = '' } }: Seen): void {
    const known = this.#reserved.get(uid);
    if (known) this.#reserved.set(uid, { ...known, machineUid: undefined, until: this.#now() + this.#ttlMs });
  }

  release({ metadata }: Seen): void {
    this.#reserved.delete(metadata.uid ?? '');
  }

  #prune(): void {
    if (this.#reserved.size < 1_000) return;
    const now = this.#now();
    for (const [uid, { until }] of this.#reserved) if (until <= now) this.#reserved.delete(uid);
  }
}
