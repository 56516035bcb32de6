import { claimIn, consumerUidOf } from '../model/claim.ts';
import { ANNOTATION_CLAIM, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/**
 * Watches over rule 1: a host has at most one consumer, a machine at most one host in a stage other than `Releasing`.
 * It is fed every event of one watch of the hosts; the API server orders these, so that what it sees at once was true
 * at once.
 */
export class ClaimLedger {
  /** Double claims in words, each once. */
  readonly findings: string[] = [];
  readonly #holders = new Map<string, string>();
  readonly #liveHosts = new Map<string, Set<string>>();
  readonly #told = new Set<string>();

  /** Takes the present state of a host; undefined: it is gone. */
  observe(name: string, host: PhysicalHost | undefined): void {
    const uid = host && consumerUidOf(host);
    const before = this.#holders.get(name);
    if (before !== undefined && uid !== undefined && uid !== before) {
      this.#tell(`host ${name} went from consumer ${before} to ${uid} without being free in between`);
    }
    if (uid === undefined) this.#holders.delete(name);
    else this.#holders.set(name, uid);
    for (const hosts of this.#liveHosts.values()) hosts.delete(name);
    // A reference without a claim counts as live: nothing says that it is being released.
    if (host === undefined || uid === undefined || claimIn(host, 'Releasing') !== undefined) return;
    const hosts = this.#liveHosts.get(uid) ?? new Set();
    this.#liveHosts.set(uid, hosts.add(name));
    if (hosts.size > 1) this.#tell(`machine ${uid} holds the hosts ${[...hosts].toSorted().join(', ')} at once`);
  }

  #tell(finding: string): void {
    if (this.#told.has(finding)) return;
    this.#told.add(finding);
    this.findings.push(finding);
  }
}

/** What a released host must not have any more, in words; empty when it is free. */
export function leftovers(host: PhysicalHost): string[] {
  const { metadata, spec, status } = host;
  return [
    ...(status?.state === 'Available' ? [] : [`its state is ${status?.state ?? 'not set'}`]),
    ...(spec.consumerRef === undefined ? [] : [`it is still claimed by ${spec.consumerRef.name}`]),
    ...(metadata.annotations?.[ANNOTATION_CLAIM] === undefined ? [] : ['it still has a claim']),
    ...(metadata.labels?.[LABEL_CONSUMER_UID] === undefined ? [] : ['it still has the label of its consumer']),
    ...(status?.bootToken === undefined ? [] : ['its boot token was not revoked']),
  ];
}
