import type { Logger } from 'pino';
import { canonicalJson } from '../model/handled.ts';
import { isBeingDeleted, stopOf } from '../model/stops.ts';
import { API_VERSION } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isNotFound } from '../kube/error.ts';
import { MACHINE_TEMPLATES } from '../kube/resource.ts';
import { clusterNameOf, type Informers } from './informers.ts';
import { WorkQueue, type Outcome } from '../kube/queue.ts';
import { keyOf, splitKey } from '../kube/store.ts';
import { capacityOf } from './templateCapacity.ts';

const FIELD_MANAGER = 'beskar7-template';
/** Reports come in by the hundred while many hosts are inspected: they are looked at together. */
const COALESCE_MS = 1_000;
const BEHIND_MS = 1_000;

/** Keeps `status.capacity` of each Beskar7MachineTemplate; writes only what changed. */
export class TemplateWatcher {
  readonly #kube: KubeClient;
  readonly #informers: Informers;
  readonly #queue: WorkQueue;
  #ends: (() => void)[] = [];

  constructor(deps: { kube: KubeClient; informers: Informers; logger: Logger }) {
    this.#kube = deps.kube;
    this.#informers = deps.informers;
    this.#queue = new WorkQueue({
      name: 'templates',
      logger: deps.logger,
      concurrency: 1,
      reconcile: (key) => this.reconcile(key),
    });
  }

  start(): void {
    const { hosts, templates, capiClusters } = this.#informers;
    this.#ends = [
      templates.onChange(({ object, type }) => {
        if (type !== 'deleted') this.#queue.add(keyOf(object));
      }),
      hosts.onChange(({ object, previous, type }) => {
        if (type !== 'updated' || offerOf(object) !== offerOf(previous)) this.#addNamespace(object.metadata.namespace);
      }),
      capiClusters.onChange(({ object }) => this.#addNamespace(object.metadata.namespace)),
    ];
    for (const template of templates.list()) this.#queue.add(keyOf(template));
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }

  /** One look at a template, out of the caches. */
  async reconcile(key: string): Promise<Outcome> {
    const { namespace, name } = splitKey(key);
    const template = this.#informers.templates.get(namespace, name);
    if (!template?.metadata.uid || isBeingDeleted(template)) return { kind: 'done' };
    const clusterName = clusterNameOf(template);
    const cluster = clusterName === undefined ? undefined : this.#informers.capiClusters.get(namespace, clusterName);
    if (stopOf(template, ['Paused', 'ClusterPaused'], cluster)) return { kind: 'done' };
    const capacity = capacityOf(template, this.#informers.hosts.byIndex('byNamespace', namespace));
    if (canonicalJson(capacity ?? {}) === canonicalJson(template.status?.capacity ?? {})) return { kind: 'done' };
    const { uid, resourceVersion } = template.metadata;
    const object = {
      apiVersion: API_VERSION,
      kind: MACHINE_TEMPLATES.kind,
      metadata: { namespace, name, uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
      status: capacity === undefined ? {} : { capacity },
    };
    try {
      await this.#kube.applyStatus(MACHINE_TEMPLATES, object, { fieldManager: FIELD_MANAGER, force: true });
      return { kind: 'done' };
    } catch (error) {
      if (isNotFound(error)) return { kind: 'done' };
      if (isConflict(error)) return { kind: 'after', ms: BEHIND_MS };
      throw error;
    }
  }

  #addNamespace(namespace = ''): void {
    for (const template of this.#informers.templates.byIndex('byNamespace', namespace)) {
      this.#queue.addAfter(keyOf(template), COALESCE_MS);
    }
  }
}

/** What of a host the capacity follows from. */
function offerOf(host: PhysicalHost): string {
  const { inspection, inspectionReport } = host.status ?? {};
  return JSON.stringify([inspection?.reportDigest, inspectionReport === undefined, host.metadata.labels]);
}
