import { setTimeout as delay } from 'node:timers/promises';
import { claimOf } from '../../model/claim.ts';
import { ANNOTATION_SERVER } from '../../crds/names.ts';
import { HOSTS } from '../../kube/resource.ts';
import type { Bmc, Faults } from '../../simulator/index.ts';
import type { Random } from './random.ts';
import { hostName, type ChaosWorld } from './world.ts';

const BMC_KINDS = {
  hang: 3,
  refuse: 2,
  cutConnections: 2,
  unavailable: 3,
  slow: 2,
  sessionLoss: 3,
  passwordChange: 1,
  slowPowerOff: 3,
  hangAfterAccept: 1,
  swapped: 1,
  longOutage: 0.5,
} as const;
/** What goes wrong at the server itself, once. */
const SERVER_KINDS = { neverReports: 0.4, smallHardware: 0.4, provisionFails: 0.4, wrongReport: 0.4 } as const;

type BmcFaultKind = keyof typeof BMC_KINDS;
type ServerFaultKind = keyof typeof SERVER_KINDS;
type Kind = BmcFaultKind | ServerFaultKind;

/**
 * A release that is not over 2 minutes after it began goes on in a run of its own: an outage that begins with it lasts
 * longer.
 */
const LONG_OUTAGE_MS: readonly [number, number] = [150_000, 200_000];
/** So long a release is waited for, which the outage is to begin with; then any host that has a claim is taken. */
const RELEASE_WAIT_MS = 30_000;
/** Longer than what was sent before may be under way, by the checker's reckoning. */
const SWAPPED_MS: readonly [number, number] = [15_000, 40_000];
/** Of the fleet, at a time. */
const LONG_OUTAGES = 0.1;
/** Of the faults, those at BMCs that Beskar7 is busy with. */
const IN_FLIGHT = 0.6;

/** Under which name the simulator counts what was met, where that is not the name of the kind. */
const MET_AS: Readonly<Record<string, string>> = {
  password: 'passwordChange',
  swappedFor: 'swapped',
  powerLost: 'power command lost',
};

/** How often requests have met each fault: `BMC hang`, `BMC power command lost`, `server neverReports` and so on. */
export function metFaults(met: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...met].map(([name, count]) => [`${placeOf(name)} ${MET_AS[name] ?? name}`, count]));
}

function placeOf(kind: string): 'BMC' | 'server' {
  return Object.hasOwn(SERVER_KINDS, kind) ? 'server' : 'BMC';
}

/** Breaks one BMC after the other; each fault ends by itself, or when it was met. */
export class BmcFaults {
  readonly #world: ChaosWorld;
  readonly #random: Random;
  readonly #stop: AbortSignal;
  readonly #note: (what: string, host: string, counted: string) => void;
  /** Hosts that are away for long: a fault of the same name would end that. */
  readonly #away = new Set<number>();
  readonly #outages = new Set<Promise<void>>();

  constructor(parts: {
    world: ChaosWorld;
    random: Random;
    stop: AbortSignal;
    note: (what: string, host: string, counted: string) => void;
  }) {
    this.#world = parts.world;
    this.#random = parts.random;
    this.#stop = parts.stop;
    this.#note = parts.note;
  }

  async run(): Promise<void> {
    const { hosts } = this.#world.fleet;
    // The larger the fleet, the more BMCs are broken at a time.
    const everyMs = Math.max(300, 60_000 / hosts.length);
    while (!this.#stop.aborted) {
      await this.#pause(this.#random.between(0.5, 1.5) * everyMs);
      if (this.#stop.aborted) break;
      const kind = this.#random.weighted<Kind>({ ...BMC_KINDS, ...SERVER_KINDS });
      if (kind === 'longOutage') this.#beginLongOutage();
      else await this.#break(kind);
    }
    await Promise.all(this.#outages);
  }

  async #break(kind: Exclude<Kind, 'longOutage'>): Promise<void> {
    const index = this.#target(kind === 'sessionLoss' ? ({ sessions }) => sessions.open > 0 : () => true);
    const bmc = index === undefined ? undefined : this.#world.fleet.hosts[index];
    if (index === undefined || !bmc) return;
    if (kind === 'swapped') return this.#swap(bmc, index);
    const forMs = this.#random.between(2_000, 20_000);
    this.#set(kind, index);
    if (kind === 'passwordChange') return this.#changePassword(bmc, hostName(index), forMs / 2);
    const faults: Record<Exclude<Kind, 'passwordChange' | 'swapped' | 'longOutage'>, Faults> = {
      hang: { hang: true, forMs },
      refuse: { refuse: true, forMs },
      cutConnections: { cutConnections: true, forMs },
      unavailable: { unavailable: 2, forMs },
      slow: { slowMs: 1_500, forMs },
      sessionLoss: { sessionLoss: true },
      slowPowerOff: { powerOffMs: 60_000, times: 1 },
      hangAfterAccept: { hangAfterAccept: true, times: 1 },
      neverReports: { neverReports: true, times: 1, forMs: 60_000 },
      smallHardware: { smallHardware: true, times: 1, forMs: 60_000 },
      provisionFails: { provisionFails: 'chaos', times: 1, forMs: 60_000 },
      wrongReport: { wrongReport: true, times: 1, forMs: 60_000 },
    };
    await bmc.fault({ ...faults[kind], countedAs: kind });
  }

  /**
   * Another server answers behind the address for a time (a DHCP lease, a sled). Whoever enrolled it then would be
   * right to take it for the host's.
   */
  async #swap(bmc: Bmc, index: number): Promise<void> {
    const host = await this.#world.admin.get(HOSTS, this.#world.namespace, hostName(index)).catch(() => undefined);
    if (host?.metadata.annotations?.[ANNOTATION_SERVER] === undefined) return;
    this.#set('swapped', index);
    const swappedFor = `STRANGER-${Math.floor(this.#random.next() * 1e6).toString(36)}`;
    await bmc.fault({ swappedFor, forMs: this.#random.between(...SWAPPED_MS), countedAs: 'swapped' });
  }

  /** The operator who changed it writes the Secret a moment later. */
  async #changePassword(bmc: Bmc, host: string, afterMs: number): Promise<void> {
    const password = `changed-${Math.floor(this.#random.next() * 1e12).toString(36)}`;
    this.#world.passwords.add(password);
    await bmc.fault({ password });
    // What the BMC has by then: it may have been changed again.
    const write = () => this.#world.writePassword(host, bmc.credentials.password).catch(() => undefined);
    setTimeout(() => void write(), afterMs);
  }

  #beginLongOutage(): void {
    if (this.#outages.size >= Math.max(1, this.#world.fleet.hosts.length * LONG_OUTAGES)) return;
    const outage = this.#longOutage().finally(() => this.#outages.delete(outage));
    this.#outages.add(outage);
  }

  /**
   * Begins with a release where there is one, so that it is not over when the release has to go on in a run of its own.
   */
  async #longOutage(): Promise<void> {
    const until = Date.now() + RELEASE_WAIT_MS;
    let index = this.#claimed((stage) => stage === 'Releasing');
    while (index === undefined && Date.now() < until && !this.#stop.aborted) {
      await this.#pause(100);
      index = this.#claimed((stage) => stage === 'Releasing');
    }
    index ??= this.#claimed(() => true);
    if (index === undefined || this.#stop.aborted) return;
    const forMs = this.#random.between(...LONG_OUTAGE_MS);
    const how = this.#random.weighted({ hang: 2, cutConnections: 2, refuse: 1 });
    this.#away.add(index);
    this.#set('longOutage', index, ` (${how}, ${Math.round(forMs / 1_000)} s)`);
    await this.#world.fleet.hosts[index]?.fault({ [how]: true, forMs, countedAs: 'longOutage' });
    await this.#pause(forMs);
    this.#away.delete(index);
  }

  /** A host, more often than not one that Beskar7 is busy with. */
  #target(isSo: (bmc: Bmc) => boolean): number | undefined {
    const { hosts } = this.#world.fleet;
    const all = [...hosts.keys()].filter((index) => !this.#away.has(index) && isSo(hosts[index] as Bmc));
    const inFlight = all.filter((index) => this.#isIn(index, (stage) => stage !== 'HandedOver'));
    const isPicky = this.#random.chance(IN_FLIGHT) && inFlight.length > 0;
    return this.#random.pick(isPicky ? inFlight : all);
  }

  #claimed(isSo: (stage: string) => boolean): number | undefined {
    const indexes = [...this.#world.fleet.hosts.keys()];
    return this.#random.pick(indexes.filter((index) => !this.#away.has(index) && this.#isIn(index, isSo)));
  }

  #isIn(index: number, isSo: (stage: string) => boolean): boolean {
    const host = this.#world.kubernetes.hosts.get(hostName(index));
    const claim = host && claimOf(host);
    return claim !== undefined && isSo(claim.stage);
  }

  #set(kind: Kind, index: number, more = ''): void {
    const what = `${placeOf(kind)} ${kind}`;
    this.#note(`${what}${more}`, hostName(index), `${what} set`);
  }

  /** Ends early when the run ends. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop }).catch(() => undefined);
  }
}
