import type { Logger } from 'pino';
import type { Beskar7Cluster } from '../crds/beskar7Cluster.ts';
import { API_VERSION, LABEL_CONTROL_PLANE, LABEL_ZONE } from '../crds/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isNotFound } from '../kube/error.ts';
import { CLUSTERS } from '../kube/resource.ts';
import { decideCluster, type ClusterDecision, type ClusterView } from './clusterDecision.ts';
import { clusterNameOf, type Informers } from './informers.ts';
import { WorkQueue, type Outcome } from '../kube/queue.ts';
import { keyOf, splitKey } from '../kube/store.ts';

const FIELD_MANAGER = 'beskar7-cluster';
/** A roll-out changes many hosts at once: they are looked at together. */
const COALESCE_MS = 100;
const BEHIND_MS = 1_000;
const WORKERS = 4;

/** Keeps endpoint, failure domains and conditions of each Beskar7Cluster; writes only what changed. */
export class ClusterWatcher {
  readonly #kube: KubeClient;
  readonly #informers: Informers;
  readonly #queue: WorkQueue;
  #ends: (() => void)[] = [];

  constructor(deps: { kube: KubeClient; informers: Informers; logger: Logger }) {
    this.#kube = deps.kube;
    this.#informers = deps.informers;
    this.#queue = new WorkQueue({
      name: 'clusters',
      logger: deps.logger,
      concurrency: WORKERS,
      reconcile: (key) => this.reconcile(key),
    });
  }

  start(): void {
    const { clusters, hosts, machines, capiMachines, capiClusters } = this.#informers;
    this.#ends = [
      clusters.onChange(({ object, type }) => {
        if (type !== 'deleted') this.#queue.add(keyOf(object));
      }),
      hosts.onChange(({ object, previous, type }) => {
        if (type !== 'updated' || zoneOf(object) !== zoneOf(previous)) this.#addNamespace(object.metadata.namespace);
      }),
      machines.onChange(({ object }) => {
        if (object.metadata.labels?.[LABEL_CONTROL_PLANE] !== undefined) this.#addNamespace(object.metadata.namespace);
      }),
      capiMachines.onChange(({ object }) => {
        if (object.metadata.labels?.[LABEL_CONTROL_PLANE] !== undefined) this.#addNamespace(object.metadata.namespace);
      }),
      capiClusters.onChange(({ object }) => this.#addNamespace(object.metadata.namespace)),
    ];
    for (const cluster of clusters.list()) this.#queue.add(keyOf(cluster));
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.stop();
  }

  /** One look at a cluster, out of the caches. */
  async reconcile(key: string): Promise<Outcome> {
    const { namespace, name } = splitKey(key);
    const cluster = this.#informers.clusters.get(namespace, name);
    if (!cluster?.metadata.uid) return { kind: 'done' };
    const decision = decideCluster(this.#view(cluster), new Date().toISOString());
    if (decision.kind === 'nothing') return { kind: 'done' };
    try {
      await this.#write(cluster, decision);
      return { kind: 'done' };
    } catch (error) {
      if (isNotFound(error)) return { kind: 'done' };
      if (isConflict(error)) return { kind: 'after', ms: BEHIND_MS };
      throw error;
    }
  }

  async #write(
    cluster: Beskar7Cluster,
    { endpoint, status }: Extract<ClusterDecision, { kind: 'write' }>,
  ): Promise<void> {
    const { namespace, name, uid } = cluster.metadata;
    let { resourceVersion } = cluster.metadata;
    if (endpoint) {
      const patch = { metadata: { uid, resourceVersion }, spec: { controlPlaneEndpoint: endpoint } };
      const written = await this.#kube.mergePatch(CLUSTERS, namespace, name, patch);
      resourceVersion = written.metadata.resourceVersion;
    }
    if (!status) return;
    await this.#kube.applyStatus(
      CLUSTERS,
      { apiVersion: API_VERSION, kind: 'Beskar7Cluster', metadata: { namespace, name, uid, resourceVersion }, status },
      { fieldManager: FIELD_MANAGER, force: true },
    );
  }

  #view(cluster: Beskar7Cluster): ClusterView {
    const { hosts, machines, capiMachines, capiClusters } = this.#informers;
    const namespace = cluster.metadata.namespace;
    const name = clusterNameOf(cluster) ?? ownerClusterOf(cluster);
    const key = `${namespace}/${name ?? ''}`;
    const isStandingAlone = name === undefined || capiMachines.absent;
    const ownMachines =
      name === undefined
        ? machines.byIndex('byNamespace', namespace).filter((machine) => clusterNameOf(machine) === undefined)
        : machines.byIndex('byCluster', key);
    return {
      cluster,
      owner: name === undefined ? undefined : capiClusters.get(namespace, name),
      capiMachines: name === undefined ? [] : capiMachines.byIndex('byControlPlane', key),
      machines: isStandingAlone ? ownMachines : [],
      hosts: hosts.byIndex('byNamespace', namespace),
    };
  }

  #addNamespace(namespace = ''): void {
    for (const cluster of this.#informers.clusters.byIndex('byNamespace', namespace)) {
      this.#queue.addAfter(keyOf(cluster), COALESCE_MS);
    }
  }
}

function zoneOf(
  host: { metadata: { labels?: Record<string, string>; deletionTimestamp?: string } } | undefined,
): string {
  return JSON.stringify([host?.metadata.labels?.[LABEL_ZONE], host?.metadata.deletionTimestamp !== undefined]);
}

function ownerClusterOf(cluster: Beskar7Cluster): string | undefined {
  const owners = cluster.metadata.ownerReferences ?? [];
  return owners.find(({ kind, apiVersion }) => kind === 'Cluster' && apiVersion.startsWith('cluster.x-k8s.io/'))?.name;
}
