import type { Client } from '@temporalio/client';
import type { KubeClient } from '../../kube/client.ts';
import { HOSTS, MACHINES, SECRETS, type Identified, type Resource } from '../../kube/resource.ts';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { LABEL_CLAIM } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { Fleet } from '../../simulator/index.ts';
import type { ChaosRecord } from './records.ts';

/** An open watch tells within this time. */
const LAG_MS = 2_000;
const RETRY_MS = 250;
const TEMPORAL_EVERY_MS = 5_000;

type Recorder = (record: ChaosRecord) => void;

/**
 * Watches the API server from outside of Beskar7, past the proxy: a broken watch goes on where it was, so that no state
 * is missed.
 */
export class KubernetesObserver {
  readonly hosts = new Map<string, PhysicalHost>();
  readonly machines = new Map<string, Beskar7Machine>();
  readonly secrets = new Set<string>();
  /** Uids of the machines that were seen in a phase at some time, or gone. */
  readonly #seen = new Map<string, Set<string>>();
  /** Tokens and nonces of all claims so far, and which of the two each is. */
  readonly confidential = new Map<string, string>();
  readonly #kube: KubeClient;
  readonly #namespace: string;
  readonly #record: Recorder;
  readonly #stop = new AbortController();
  /** Since when a kind is not known for certain; absent: it is known up to now. */
  readonly #unsureSince = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(kube: KubeClient, namespace: string, record: Recorder) {
    this.#kube = kube;
    this.#namespace = namespace;
    this.#record = record;
  }

  start(): void {
    this.#running = Promise.all([
      this.#follow('PhysicalHost', HOSTS, this.hosts),
      this.#follow('Beskar7Machine', MACHINES, this.machines),
      this.#followSecrets(),
    ]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** How many machines were seen `Provisioned`, `Failed` and so on, each once, and how many were `deleted`. */
  seen(): Record<string, number> {
    return Object.fromEntries([...this.#seen].map(([what, uids]): [string, number] => [what, uids.size]).sort());
  }

  /** Up to when everything that happened has been told. */
  get horizon(): number {
    return Math.min(Date.now() - LAG_MS, ...this.#unsureSince.values());
  }

  /** A list, then watches from its resourceVersion; another list only when that is too old. */
  async #follow<T extends PhysicalHost | Beskar7Machine>(
    kind: 'PhysicalHost' | 'Beskar7Machine',
    resource: Resource<T>,
    cache: Map<string, T>,
  ): Promise<void> {
    await this.#loop(
      resource,
      {},
      (items) => {
        const now = Date.now();
        this.#record({ source: 'relist', at: now, kind });
        cache.clear();
        for (const object of items) {
          cache.set(object.metadata.name, object);
          this.#count(kind, 'ADDED', object);
          this.#record({ source: 'kubernetes', at: now, notBefore: 0, type: 'ADDED', kind, object });
        }
      },
      (type, object, notBefore) => {
        this.#count(kind, type, object);
        if (type === 'DELETED') cache.delete(object.metadata.name);
        else cache.set(object.metadata.name, object);
        this.#record({ source: 'kubernetes', at: Date.now(), notBefore, type, kind, object });
      },
    );
  }

  #count(kind: string, type: string, { metadata, status }: PhysicalHost | Beskar7Machine): void {
    if (kind !== 'Beskar7Machine') return;
    const what = type === 'DELETED' ? 'deleted' : status && 'phase' in status ? status.phase : undefined;
    if (what === undefined) return;
    const uids = this.#seen.get(what) ?? new Set();
    this.#seen.set(what, uids.add(metadata.uid ?? ''));
  }

  async #followSecrets(): Promise<void> {
    await this.#loop(
      SECRETS,
      { labelSelector: LABEL_CLAIM },
      (items) => {
        const names = new Set(items.map(({ metadata }) => metadata.name));
        const at = Date.now();
        for (const name of this.secrets)
          if (!names.has(name)) this.#record({ source: 'secret', at, type: 'DELETED', name });
        this.secrets.clear();
        for (const name of names) {
          this.secrets.add(name);
          this.#record({ source: 'secret', at, type: 'ADDED', name });
        }
      },
      (type, { metadata: { name }, data = {} }) => {
        for (const [key, value] of Object.entries(data)) {
          const text = Buffer.from(value, 'base64').toString('utf8');
          if (text.length >= 16) this.confidential.set(text, `${key} of a claim`);
        }
        if (type === 'DELETED') this.secrets.delete(name);
        else this.secrets.add(name);
        this.#record({ source: 'secret', at: Date.now(), type, name });
      },
    );
  }

  async #loop<T extends Identified>(
    resource: Resource<T>,
    filter: { labelSelector?: string },
    onList: (items: T[]) => void,
    onEvent: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T, notBefore: number) => void,
  ): Promise<void> {
    const signal = this.#stop.signal;
    const namespace = this.#namespace;
    const told = new ToldVersions();
    let version: string | undefined;
    let brokeAt = Date.now();
    while (!signal.aborted) {
      const attempt = new AbortController();
      const ended = AbortSignal.any([signal, attempt.signal]);
      if (!this.#unsureSince.has(resource.plural)) this.#unsureSince.set(resource.plural, brokeAt);
      try {
        if (version === undefined) {
          const { items, resourceVersion } = await this.#kube.list(resource, { namespace, signal, ...filter });
          told.replace(items);
          onList(items);
          version = resourceVersion;
        }
        const watch = this.#kube.watch(resource, {
          namespace,
          resourceVersion: version,
          signal,
          timeoutSeconds: 300,
          ...filter,
        });
        const openedAt = Date.now();
        void this.#confirm(resource, filter, told, ended);
        for await (const { type, object } of watch) {
          version = object.metadata.resourceVersion ?? version;
          if (type === 'BOOKMARK') continue;
          const isLate = brokeAt > 0 && Date.now() - openedAt < 10_000;
          onEvent(type, object, Math.min(Date.now() - LAG_MS, isLate ? brokeAt - LAG_MS : Number.POSITIVE_INFINITY));
          told.add(type, object);
        }
      } catch (error) {
        if ((error as { status?: number }).status === 410) version = undefined;
      }
      attempt.abort();
      brokeAt = Date.now();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /**
   * An open watch may be silent because it lags: only when it has told all that a list from etcd shows is this kind
   * known again.
   */
  async #confirm<T extends Identified>(
    resource: Resource<T>,
    filter: { labelSelector?: string },
    told: ToldVersions,
    ended: AbortSignal,
  ): Promise<void> {
    while (!ended.aborted) {
      try {
        const list = await this.#kube.list(resource, { namespace: this.#namespace, signal: ended, ...filter });
        await told.untilCovers(list, ended);
        if (!ended.aborted) this.#unsureSince.delete(resource.plural);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}

interface Listed {
  readonly items: readonly Identified[];
  readonly resourceVersion: string;
}

/** Which version of each object of a kind was told last. */
export class ToldVersions {
  readonly #told = new Map<string, { version: number; isGone: boolean }>();
  #wake: () => void = () => undefined;

  /** A list has told everything. */
  replace(items: readonly Identified[]): void {
    this.#told.clear();
    for (const item of items) this.add('ADDED', item);
  }

  add(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Identified): void {
    this.#told.set(object.metadata.name, { version: versionOf(object), isGone: type === 'DELETED' });
    this.#wake();
  }

  /** Whether all that a list shows, or later things, have been told. */
  covers({ items, resourceVersion }: Listed): boolean {
    const names = new Set(items.map(({ metadata }) => metadata.name));
    const isListed = items.every((item) => (this.#told.get(item.metadata.name)?.version ?? 0) >= versionOf(item));
    const isDeletedUntold = ([name, { version, isGone }]: [string, { version: number; isGone: boolean }]) =>
      !isGone && !names.has(name) && version <= Number(resourceVersion);
    return isListed && ![...this.#told].some(isDeletedUntold);
  }

  /** Resolves when a list is covered, or when the signal aborts. */
  async untilCovers(list: Listed, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.covers(list))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
  }
}

function versionOf({ metadata }: Identified): number {
  return Number(metadata.resourceVersion ?? 0);
}

/** The truth about the servers: requests, power and boot override, as they happen in the simulator. */
export function observeFleet(fleet: Fleet, hostOf: (index: number) => string, record: Recorder): void {
  for (const [index, bmc] of fleet.hosts.entries()) {
    const host = hostOf(index);
    let shown: string | undefined;
    const recordServer = () => {
      const serialNumber = bmc.faults.swappedFor ?? bmc.serial;
      if (serialNumber === shown) return;
      shown = serialNumber;
      record({ source: 'server', at: Date.now(), host, serialNumber });
    };
    // Each read of the product is seen: a swap that no request has met is none.
    bmc.recorder.onRequest((entry) => {
      if (!entry.mutating) return recordServer();
      const { method, path, body, userAgent } = entry;
      recordServer();
      record({ source: 'bmc', at: Date.now(), host, method, path, body, userAgent });
    });
    const { powerLog, override } = bmc.server;
    const push = powerLog.push.bind(powerLog);
    powerLog.push = (...entries) => {
      for (const { power, why } of entries) record({ source: 'power', at: Date.now(), host, power, why });
      return push(...entries);
    };
    let { enabled } = override;
    Object.defineProperty(override, 'enabled', {
      enumerable: true,
      get: () => enabled,
      set: (value: typeof enabled) => {
        if (value !== enabled) record({ source: 'override', at: Date.now(), host, enabled: value });
        enabled = value;
      },
    });
  }
}

/** Asks Temporal for the runs of the last moments; one record at its start and one at its end. */
export class TemporalObserver {
  readonly #client: Client;
  readonly #record: Recorder;
  readonly #known = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> = Promise.resolve();

  constructor(client: Client, record: Recorder) {
    this.#client = client;
    this.#record = record;
  }

  start(): void {
    this.#timer = setInterval(
      () => void (this.#asking = this.#asking.then(() => this.ask()).catch(() => undefined)),
      TEMPORAL_EVERY_MS,
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#asking;
  }

  async ask(): Promise<void> {
    for await (const run of this.#client.workflow.list({ pageSize: 500 })) {
      const status = run.status.name;
      if (this.#known.get(run.runId) === status) continue;
      this.#known.set(run.runId, status);
      const { workflowId, runId, memo, startTime, closeTime } = run;
      const uid = memo?.uid;
      this.#record({
        source: 'temporal',
        at: Date.now(),
        workflowId,
        runId,
        status: status as 'RUNNING',
        startedAt: startTime.getTime(),
        ...(typeof uid === 'string' ? { uid } : {}),
        ...(closeTime ? { closedAt: closeTime.getTime() } : {}),
      });
    }
  }

  /** Workflow ids that are open now. */
  async open(): Promise<string[]> {
    const ids: string[] = [];
    for await (const { workflowId } of this.#client.workflow.list({ query: 'ExecutionStatus="Running"' }))
      ids.push(workflowId);
    return ids;
  }
}

/** Of the object that a run is about; undefined for a run that watches over a pool of BMCs. */
export function namespaceOf(workflowId: string): string | undefined {
  const [kind, namespace] = workflowId.split('/');
  return kind === 'monitor' ? undefined : namespace;
}
