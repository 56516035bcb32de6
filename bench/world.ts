import { readFile } from 'node:fs/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { request } from 'undici';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import { Connection } from '../kube/connection.ts';
import { parseRequestTotals, type RequestTotals } from './apiServerMetrics.ts';
import type { HistoryReader } from './history.ts';
import type { LiveList } from './liveList.ts';
import type { BenchOptions } from './options.ts';
import { readProcessUsage, type ProcessUsage } from './processUsage.ts';
import { COMPONENTS, type Component } from './result.ts';
import type { FleetTotals, Simulator } from './simulator.ts';

/** Everything that the stages of a run act on and look at. */
export interface World {
  readonly options: BenchOptions;
  readonly kube: KubeClient;
  readonly apiServer: ApiServerMetrics;
  readonly hosts: LiveList<PhysicalHost>;
  readonly machines: LiveList<Beskar7Machine>;
  readonly simulator: Simulator;
  readonly history: HistoryReader;
  readonly auditLogPath: string;
  readonly pids: Readonly<Record<Component, number>>;
  /** Ends the run: its time is over, the user gave up, or a process died. */
  readonly signal: AbortSignal;
  /** Tells the user how far it is. */
  readonly say: (line: string) => void;
}

/** All counters at one moment. */
export interface Snapshot {
  /** Epoch milliseconds, the clock of the audit log. */
  readonly atMs: number;
  readonly fleet: FleetTotals;
  readonly apiServer: RequestTotals;
  readonly usage: Readonly<Record<Component, ProcessUsage>>;
}

/** Reads all counters. */
export async function takeSnapshot(world: World): Promise<Snapshot> {
  const atMs = Date.now();
  const [fleet, apiServer, usages] = await Promise.all([
    world.simulator.totals(),
    world.apiServer.requestTotals(),
    Promise.all(COMPONENTS.map((component) => readProcessUsage(world.pids[component]))),
  ]);
  const usage = Object.fromEntries(COMPONENTS.map((component, index) => [component, usages[index]]));
  return { atMs, fleet, apiServer, usage: usage as Record<Component, ProcessUsage> };
}

/** A kubeconfig file as it is. */
export async function loadKubeConfig(path: string): Promise<KubeConfig> {
  const config = new KubeConfig();
  config.loadFromString(await readFile(path, 'utf8'));
  return config;
}

const METRICS_MS = 20_000;

/** Reads the API server's own counters. */
export class ApiServerMetrics {
  readonly #connection: Connection;

  constructor(config: KubeConfig) {
    this.#connection = new Connection(config);
  }

  async requestTotals(): Promise<RequestTotals> {
    const { headers, calls } = await this.#connection.route();
    const url = `${this.#connection.origin}/metrics`;
    const answer = await request(url, { headers, dispatcher: calls, signal: AbortSignal.timeout(METRICS_MS) });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`the API server answered ${answer.statusCode} to GET /metrics`);
    return parseRequestTotals(text);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
