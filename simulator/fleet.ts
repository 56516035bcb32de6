import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Bmc } from './bmc.ts';
import type { Faults } from './faults.ts';
import { DEFAULTS, type FleetOptions } from './options.ts';
import { profileOf } from './profiles.ts';
import type { RecordedRequest } from './recorder.ts';
import type { KeptState } from './poweredServer.ts';

/** Totals over the fleet, for the benchmark. */
export interface Summary {
  readonly hosts: number;
  readonly requests: number;
  readonly mutatingRequests: number;
  readonly connections: number;
  readonly sessions: number;
  readonly on: number;
  readonly overrides: number;
  readonly boots: number;
  readonly kexecs: number;
}

const SAVE_EVERY_MS = 1_000;

/** A fleet of BMCs with servers behind them, in this process. */
export class Fleet {
  readonly hosts: readonly Bmc[];
  readonly #byName: ReadonlyMap<string, Bmc>;
  readonly #stateFile: string | undefined;
  #saving: NodeJS.Timeout | undefined;

  constructor(hosts: readonly Bmc[], stateFile: string | undefined) {
    this.hosts = hosts;
    this.#byName = new Map(hosts.map((host) => [host.name, host]));
    this.#stateFile = stateFile;
    if (stateFile === undefined) return;
    this.#restore(stateFile);
    this.#saving = setInterval(() => this.#save(stateFile), SAVE_EVERY_MS);
  }

  /** A host by name; throws for an unknown one. */
  host(name: string): Bmc {
    const host = this.#byName.get(name);
    if (!host) throw new Error(`the fleet has no host ${name}`);
    return host;
  }

  /** The host with a MAC address, its address or its serial number. */
  find(key: string): Bmc | undefined {
    return this.hosts.find((host) => host.mac === key.toLowerCase() || host.address === key || host.serial === key);
  }

  fault(name: string, faults: Faults): Promise<void> {
    return this.host(name).fault(faults);
  }

  /** Heals one host, or all. */
  async heal(name?: string): Promise<void> {
    await Promise.all((name === undefined ? this.hosts : [this.host(name)]).map((host) => host.heal()));
  }

  /** How often faults were met, over the fleet: by the name of the fault or its `countedAs`. */
  met(): Map<string, number> {
    const met = new Map<string, number>();
    for (const host of this.hosts) for (const [name, count] of host.met) met.set(name, (met.get(name) ?? 0) + count);
    return met;
  }

  /** Requests of one host, or of all, since a moment of the monotonic clock. */
  requests(name?: string, sinceMs = 0): (RecordedRequest & { host: string })[] {
    const hosts = name === undefined ? this.hosts : [this.host(name)];
    return hosts.flatMap((host) => host.recorder.list(sinceMs).map((entry) => ({ host: host.name, ...entry })));
  }

  summary(): Summary {
    const sum = (value: (host: Bmc) => number) => this.hosts.reduce((total, host) => total + value(host), 0);
    return {
      hosts: this.hosts.length,
      requests: sum(({ recorder }) => recorder.requests),
      mutatingRequests: sum(({ recorder }) => recorder.mutating),
      connections: sum(({ recorder }) => recorder.connections),
      sessions: sum(({ sessions }) => sessions.made),
      on: sum(({ server }) => (server.state.power === 'Off' ? 0 : 1)),
      overrides: sum(({ server }) => (server.override.enabled === 'Disabled' ? 0 : 1)),
      boots: sum(({ server }) => server.state.boots),
      kexecs: sum(({ server }) => server.state.kexecs),
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#saving);
    if (this.#stateFile !== undefined) this.#save(this.#stateFile);
    await Promise.all(this.hosts.map((host) => host.stop()));
  }

  #save(file: string): void {
    const states = this.hosts.map(({ name, server }) => ({ name, ...server.kept() }));
    writeFileSync(`${file}.tmp`, JSON.stringify(states));
    renameSync(`${file}.tmp`, file);
  }

  #restore(file: string): void {
    let states: (KeptState & { name: string })[];
    try {
      states = JSON.parse(readFileSync(file, 'utf8')) as typeof states;
    } catch {
      return;
    }
    for (const { name, ...state } of states) this.#byName.get(name)?.server.restore(state);
  }
}

/**
 * Starts a fleet; every BMC listens when the promise resolves. Rejects with the error of the first port that cannot be
 * opened.
 */
export async function startFleet(options: Partial<FleetOptions> = {}): Promise<Fleet> {
  const all: FleetOptions = { ...DEFAULTS, ...options };
  const random = seededRandom(all.seed);
  const hosts = Array.from(
    { length: all.hosts },
    (_, index) => new Bmc(index + 1, profileOf(all.profile, index + 1), all, random),
  );
  try {
    await Promise.all(hosts.map((host, index) => host.listen(portOf(all, index))));
  } catch (error) {
    await Promise.all(hosts.map((host) => host.stop()));
    throw error;
  }
  return new Fleet(hosts, all.stateFile);
}

/** 0: any that is free. */
function portOf({ basePort, ports }: FleetOptions, index: number): number {
  return ports?.[index] ?? (basePort === 0 ? 0 : basePort + index + 1);
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
