import type { Logger } from 'pino';
import type { Change } from '../../../kube/changes.ts';
import type { Informers } from '../../../controllers/informers.ts';
import { Store, type Indexes } from '../../../kube/store.ts';
import type { Starter, StartResult } from '../../../controllers/starter.ts';
import { createInformers } from '../../../controllers/informers.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import type { Identified } from '../../../kube/resource.ts';

const silent = () => undefined;
export const logger = { warn: silent, info: silent, debug: silent, error: silent } as unknown as Logger;

/** A watch cache that the test fills. */
export class FakeInformer<T extends Identified> {
  absent = false;
  readonly store: Store<T>;
  readonly #handlers = new Set<(change: Change<T>) => void>();

  constructor(indexes: Indexes<T>) {
    this.store = new Store(indexes);
  }

  get(namespace: string, name: string): T | undefined {
    return this.store.get(`${namespace}/${name}`);
  }

  list(): T[] {
    return this.store.list();
  }

  byIndex(index: string, value: string): T[] {
    return this.store.byIndex(index, value);
  }

  countByIndex(index: string, value: string): number {
    return this.store.countByIndex(index, value);
  }

  onChange(handler: (change: Change<T>) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  remove(key: string): void {
    const object = this.store.delete(key);
    if (object) for (const handler of this.#handlers) handler({ type: 'deleted', object });
  }

  put(...objects: T[]): void {
    for (const object of objects) {
      const previous = this.store.set(object);
      for (const handler of this.#handlers)
        handler(previous ? { type: 'updated', object, previous } : { type: 'added', object });
    }
  }
}

type Fakes = {
  [K in 'hosts' | 'machines' | 'clusters' | 'templates' | 'capiMachines' | 'capiClusters']: FakeInformer<never>;
};

/** Caches with the indexes of the real ones. */
export function fakeInformers() {
  const real = createInformers({} as KubeClient, { logger });
  const names = ['hosts', 'machines', 'clusters', 'templates', 'capiMachines', 'capiClusters'] as const;
  const fakes = Object.fromEntries(names.map((name) => [name, new FakeInformer(real[name].indexes as never)])) as Fakes;
  return fakes as unknown as Informers & { [K in keyof Fakes]: FakeInformer<ReturnType<Informers[K]['list']>[number]> };
}

/** Temporal, as far as watchers see it; every call is written down. */
export class FakeStarter implements Starter {
  readonly calls: string[] = [];
  readonly open = new Set<string>();
  result: StartResult = 'started';
  isHeard = true;
  failure: Error | undefined;
  /** A monitor that cannot be told. */
  failsToSignal: string | undefined;

  #start(run: string, { namespace, name }: { namespace: string; name: string }): Promise<StartResult> {
    this.calls.push(`start ${run} ${namespace}/${name}`);
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(this.result);
  }

  readonly startProvision: Starter['startProvision'] = (object) => this.#start('provision', object);
  readonly startDeprovision: Starter['startDeprovision'] = (object) => this.#start('deprovision', object);
  readonly startEnroll: Starter['startEnroll'] = (object) => this.#start('enroll', object);
  readonly startRetire: Starter['startRetire'] = (object) => this.#start('retire', object);
  readonly startRelease: Starter['startRelease'] = (object) => {
    const { claim, orphanAfterMs } = object;
    return this.#start(
      `release(${claim}${orphanAfterMs === undefined ? '' : `, orphan after ${orphanAfterMs}`})`,
      object,
    );
  };

  readonly signalClaim: Starter['signalClaim'] = ({ name }, signal, claim) => {
    this.calls.push(`signal ${signal} ${name} ${claim}`);
    return Promise.resolve(this.isHeard);
  };
  readonly signalHostAvailable: Starter['signalHostAvailable'] = ({ name }) => {
    this.calls.push(`wake ${name}`);
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(this.isHeard);
  };
  readonly signalHostChanged: Starter['signalHostChanged'] = (kind, { name }) => {
    this.calls.push(`signal hostChanged ${kind} ${name}`);
    return Promise.resolve(this.isHeard);
  };
  readonly keepMonitor: Starter['keepMonitor'] = ({ pool, shard, shards, intervalMs }) => {
    this.calls.push(`keep monitor ${pool ?? 'default'}/${shard} of ${shards} every ${intervalMs}`);
    return this.failure ? Promise.reject(this.failure) : Promise.resolve();
  };
  readonly signalMonitor: Starter['signalMonitor'] = ({ pool, shard, shards }) => {
    const id = `monitor/${pool ?? 'default'}/${shard}`;
    if (id === this.failsToSignal) return Promise.reject(new Error('Temporal is away'));
    if (this.open.has(id)) this.calls.push(`tell ${id} of ${shards}`);
    return Promise.resolve(this.open.has(id));
  };
  readonly startOrWakeRelease: Starter['startOrWakeRelease'] = async (object) => {
    await this.#start('or wake release', object);
  };
}

interface Applied {
  metadata: { resourceVersion?: string };
  status: { phase?: string; conditions: { type: string; reason: string }[] };
}

/**
 * A Kubernetes client that notes what is applied to a status and patched, and has the machines that a test puts there.
 */
export class FakeKube {
  readonly applied: Applied[] = [];
  readonly patched: object[] = [];
  /** What a live GET finds, by name. */
  readonly live = new Map<string, object>();
  conflicts = 0;

  readonly client = {
    get: (resource: { plural: string }, namespace: string, name: string) => {
      const found = this.live.get(name);
      const failure = { status: 404, reason: 'NotFound', message: 'not found' };
      const subject = { verb: 'get', resource: resource.plural, namespace, name };
      return found ? Promise.resolve(found) : Promise.reject(new KubeError(subject, failure));
    },
    mergePatch: (_resource: unknown, _namespace: string, _name: string, patch: object) => {
      this.patched.push(patch);
      return Promise.resolve(patch);
    },
    applyStatus: (_resource: unknown, object: Applied) => {
      if (this.conflicts > 0) {
        this.conflicts -= 1;
        const failure = { status: 409, reason: 'Conflict', message: 'changed' };
        return Promise.reject(new KubeError({ verb: 'apply', resource: 'x' }, failure));
      }
      this.applied.push(object);
      return Promise.resolve(object);
    },
  } as unknown as KubeClient;
}
