import type { Logger } from 'pino';
import type { Beskar7Cluster } from '../crds/beskar7Cluster.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { consumerUidOf } from '../model/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import type { Beskar7MachineTemplate } from '../crds/beskar7MachineTemplate.ts';
import { LABEL_CLUSTER_NAME, LABEL_CONTROL_PLANE, LABEL_WATCH_FILTER } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isBeingDeleted, stopOf } from '../model/stops.ts';
import { hostOfProviderID, namedConsumer } from '../model/references.ts';
import { isProviderIDOurs } from '../model/handled.ts';
import { CONDITIONS, MACHINE_REASONS } from '../crds/reasons.ts';
import { macsOf, serverKeys } from '../model/sameServer.ts';
import { byAge } from '../model/waiters.ts';
import type { KubeClient } from '../kube/client.ts';
import {
  CAPI_CLUSTERS,
  CAPI_MACHINES,
  CLUSTERS,
  HOSTS,
  MACHINES,
  MACHINE_TEMPLATES,
  type CapiCluster,
  type CapiMachine,
  type Resource,
} from '../kube/resource.ts';
import { Informer } from '../kube/informer.ts';
import type { WatchObserver } from '../kube/informerOptions.ts';
import { trimCapiCluster, trimCapiMachine, trimCluster, trimHost, trimMachine, trimTemplate } from './trim.ts';

/**
 * The watch caches of a process. Behind the truth by a moment: every change that follows from them has to be proved.
 */
export interface Informers {
  /**
   * By `byNamespace`, `byState` (`<namespace>/<state>`, '' is no state), `byConsumerUid`, `byConsumer`
   * (`<namespace>/<machine>`), `byMac` (lower case), `byServer` (see `serverKeys`), and the two `...Within` a namespace
   * (`<namespace>/<value>`).
   */
  readonly hosts: Informer<PhysicalHost>;
  /**
   * By `byNamespace`, `waiting` (namespace), `byUid`, `byOwner` (`<namespace>/<Machine>`), `byCluster`
   * (`<namespace>/<Cluster>`), `naming` (`<namespace>/<host>`: those that are not being deleted and whose providerID
   * names a host of their namespace), `byProviderID` (those of them whose providerID Beskar7 has written).
   */
  readonly machines: Informer<Beskar7Machine>;
  /** By `byNamespace`, `byCluster` (`<namespace>/<Cluster>`). */
  readonly clusters: Informer<Beskar7Cluster>;
  /** By `byNamespace`. */
  readonly templates: Informer<Beskar7MachineTemplate>;
  /** Cluster API's; empty where it is not installed. By `byControlPlane` (`<namespace>/<Cluster>`). */
  readonly capiMachines: Informer<CapiMachine>;
  readonly capiClusters: Informer<CapiCluster>;
  start(): void;
  stop(): Promise<void>;
  /** All first lists are in. */
  synced(): boolean;
  waitForSync(signal: AbortSignal): Promise<void>;
  /** Caches that may have been behind for longer than `longerThanMs`, as sentences for the operator. */
  problems(longerThanMs: number): string[];
  /** Each kind, and whether its watch works now. */
  watches(): { kind: string; works: boolean }[];
}

/** What the watch caches hold. */
export interface InformersOptions {
  readonly logger: Logger;
  /** Absent: all. */
  readonly namespace?: string;
  /**
   * Own kinds only with this value of the label `cluster.x-k8s.io/watch-filter`. Cluster API's own objects need not
   * carry it.
   */
  readonly watchFilter?: string;
  /** Kinds that are watched, by plural; absent: all. The caches of the others stay empty, and nobody waits for them. */
  readonly kinds?: ReadonlySet<string>;
  /** Gives who is told of the interruptions of a kind's watch. */
  readonly observerOf?: (kind: string) => WatchObserver;
}

/** Watch caches for one namespace, or for all. They do nothing before `start`. */
export function createInformers(kube: KubeClient, options: InformersOptions): Informers {
  const { logger, namespace, watchFilter, observerOf } = options;
  const common = {
    logger,
    ...(namespace === undefined ? {} : { namespace }),
    ...(observerOf === undefined ? {} : { observerOf }),
  };
  const own = watchFilter === undefined ? common : { ...common, labelSelector: `${LABEL_WATCH_FILTER}=${watchFilter}` };
  const hosts = new Informer(kube, HOSTS, { ...own, trim: trimHost, indexes: hostIndexes });
  const machines = new Informer(kube, MACHINES, { ...own, trim: trimMachine, indexes: machineIndexes });
  const clusters = new Informer(kube, CLUSTERS, { ...own, trim: trimCluster, indexes: { byNamespace, byCluster } });
  const templates = new Informer(kube, MACHINE_TEMPLATES, { ...own, trim: trimTemplate, indexes: { byNamespace } });
  const capiMachines = new Informer(kube, CAPI_MACHINES, {
    ...common,
    optional: true,
    trim: trimCapiMachine,
    indexes: { byControlPlane },
  });
  const capiClusters = new Informer(kube, CAPI_CLUSTERS, { ...common, optional: true, trim: trimCapiCluster });
  const all = [hosts, machines, clusters, templates, capiMachines, capiClusters].filter(
    ({ resource }) => options.kinds?.has(kindKey(resource)) ?? true,
  );
  return {
    hosts,
    machines,
    clusters,
    templates,
    capiMachines,
    capiClusters,
    start: () => all.forEach((informer) => informer.start()),
    stop: async () => void (await Promise.all(all.map((informer) => informer.stop()))),
    synced: () => all.every((informer) => informer.synced),
    waitForSync: async (signal) => void (await Promise.all(all.map((informer) => informer.waitForSync(signal)))),
    problems: (longerThanMs) =>
      all.flatMap((informer) => {
        const problem = informer.problem();
        if (!problem || problem.forMs < longerThanMs) return [];
        const { kind } = informer.resource;
        return [`${kind}: not known to be current for ${Math.round(problem.forMs / 1000)} s: ${problem.message}`];
      }),
    watches: () => all.map((informer) => ({ kind: informer.resource.kind, works: informer.problem() === undefined })),
  };
}

/** A kind in `InformersOptions.kinds`: `physicalhosts`, `machines.cluster.x-k8s.io`. */
export function kindKey({ plural, group }: Pick<Resource, 'plural' | 'group'>): string {
  return group === HOSTS.group ? plural : `${plural}.${group}`;
}

/** The Cluster that an object names by the label that Cluster API sets. */
export function clusterNameOf(object: { metadata: { labels?: Record<string, string> } }): string | undefined {
  return object.metadata.labels?.[LABEL_CLUSTER_NAME];
}

/** The name of the owner Machine of Cluster API. */
export function ownerMachineOf(machine: Beskar7Machine): string | undefined {
  const owners = machine.metadata.ownerReferences ?? [];
  return owners.find(({ kind, apiVersion }) => kind === 'Machine' && apiVersion.startsWith('cluster.x-k8s.io/'))?.name;
}

/** A machine whose run waits for a host. */
export function isWaiting(machine: Beskar7Machine): boolean {
  const provisioned = findCondition(machine.status?.conditions, CONDITIONS.machineProvisioned);
  return !isBeingDeleted(machine) && provisioned?.reason === MACHINE_REASONS.noMatchingHost;
}

/**
 * The machine that says by its providerID that it runs on a host, whatever the host says: one that lost its consumerRef
 * (`kubectl replace` with the manifest that it was made from) or came back without it may still run that machine. The
 * oldest where there are several.
 */
export function machineOn(
  { machines }: Pick<Informers, 'machines'>,
  { metadata: { namespace, name } }: PhysicalHost,
): Beskar7Machine | undefined {
  return machines.byIndex('byProviderID', `${namespace}/${name}`).sort(byAge)[0];
}

/** Whether a waiting machine would take a host now: one that is paused or moved stands in nobody's way. */
export function mayClaim({ capiClusters }: Pick<Informers, 'capiClusters'>, machine: Beskar7Machine): boolean {
  const { namespace = '' } = machine.metadata;
  const name = clusterNameOf(machine);
  const cluster = name === undefined ? undefined : capiClusters.get(namespace, name);
  return stopOf(machine, ['Paused', 'Moving', 'ClusterPaused'], cluster) === undefined;
}

type Named = { metadata: { namespace: string; labels?: Record<string, string> } };

const byNamespace = ({ metadata }: Named) => [metadata.namespace];

const byCluster = (object: Named) => {
  const cluster = clusterNameOf(object);
  return cluster === undefined ? [] : [`${object.metadata.namespace}/${cluster}`];
};

const byControlPlane = (machine: CapiMachine) => {
  if (machine.metadata.labels?.[LABEL_CONTROL_PLANE] === undefined) return [];
  const cluster = machine.spec.clusterName ?? clusterNameOf(machine);
  return cluster === undefined ? [] : [`${machine.metadata.namespace}/${cluster}`];
};

const hostIndexes = {
  byNamespace,
  byState: (host: PhysicalHost) => [`${host.metadata.namespace}/${host.status?.state ?? ''}`],
  byConsumerUid: (host: PhysicalHost) => {
    const uid = consumerUidOf(host);
    return uid === undefined ? [] : [uid];
  },
  byConsumer: (host: PhysicalHost) => {
    const named = namedConsumer(host);
    return named === undefined ? [] : [`${named.namespace}/${named.name}`];
  },
  byMac: macsOf,
  byMacWithin: (host: PhysicalHost) => macsOf(host).map((mac) => `${host.metadata.namespace}/${mac}`),
  byServer: serverKeys,
  byServerWithin: (host: PhysicalHost) => serverKeys(host).map((key) => `${host.metadata.namespace}/${key}`),
};

/** The host of its namespace that a machine names in its providerID. */
function naming(machine: Beskar7Machine): string[] {
  const named = isBeingDeleted(machine) ? undefined : hostOfProviderID(machine);
  return named === undefined ? [] : [`${named.namespace}/${named.name}`];
}

const machineIndexes = {
  byNamespace,
  byCluster,
  byUid: (machine: Beskar7Machine) => (machine.metadata.uid === undefined ? [] : [machine.metadata.uid]),
  waiting: (machine: Beskar7Machine) => (isWaiting(machine) ? byNamespace(machine) : []),
  byProviderID: (machine: Beskar7Machine) => (isProviderIDOurs(machine) ? naming(machine) : []),
  /** Whether Beskar7 has written it or not. */
  naming,
  byOwner: (machine: Beskar7Machine) => {
    const owner = ownerMachineOf(machine);
    return owner === undefined ? [] : [`${machine.metadata.namespace}/${owner}`];
  },
};
