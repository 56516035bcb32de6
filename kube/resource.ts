import type { Beskar7Cluster } from '../crds/beskar7Cluster.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { Beskar7MachineTemplate } from '../crds/beskar7MachineTemplate.ts';
import { GROUP, VERSION } from '../crds/names.ts';
import type { KubeObject, ObjectMeta, ReadMeta } from '../crds/object.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/** What every Kubernetes object has, whatever else is in it. */
export interface Identified {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** Where the API server serves one kind. `T` is the type of its objects, known to the compiler only. */
export interface Resource<T extends Identified = Identified> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /**
   * Older versions with the fields that Beskar7 reads, for an API server that does not serve `version`; the newest
   * first.
   */
  readonly olderVersions?: readonly string[];
  /** Never set: carries `T`. */
  readonly objectType?: T;
}

/** A core/v1 Secret; values of `data` are base64. */
export interface Secret extends Identified {
  metadata: ReadMeta;
  type?: string;
  immutable?: boolean;
  data?: Record<string, string>;
}

/** A core/v1 ConfigMap. */
export interface ConfigMap extends Identified {
  metadata: ReadMeta;
  data?: Record<string, string>;
}

/** A core/v1 Event, as far as Beskar7 writes it. */
export interface KubeEvent extends Identified {
  involvedObject: { apiVersion: string; kind: string; namespace: string; name: string; uid: string };
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string };
  reportingComponent: string;
  reportingInstance: string;
}

/** A Cluster API Machine, as far as Beskar7 reads it (contracts v1beta1 and v1beta2). */
export type CapiMachine = KubeObject<
  {
    clusterName?: string;
    failureDomain?: string;
    bootstrap?: { dataSecretName?: string };
    infrastructureRef?: { kind?: string; name?: string };
  },
  {
    addresses?: { type: string; address: string }[];
    /** Contract v1beta1. */
    infrastructureReady?: boolean;
    /** Contract v1beta2. */
    initialization?: { infrastructureProvisioned?: boolean };
  }
>;

/** A Cluster API Cluster, as far as Beskar7 reads it (contracts v1beta1 and v1beta2). */
export type CapiCluster = KubeObject<
  { paused?: boolean; infrastructureRef?: { kind?: string; name?: string } },
  { infrastructureReady?: boolean; initialization?: { infrastructureProvisioned?: boolean } }
>;

/** A CustomResourceDefinition, as far as Beskar7 reads and writes it. */
export interface Definition extends Identified {
  spec: {
    conversion?: {
      strategy?: string;
      webhook?: {
        conversionReviewVersions?: string[];
        clientConfig?: {
          url?: string | null;
          caBundle?: string;
          service?: { namespace: string; name: string; path?: string; port?: number } | null;
        };
      };
    };
  };
}

const own = { group: GROUP, version: VERSION, namespaced: true };
const core = { group: '', version: 'v1', namespaced: true };
const capi = { group: 'cluster.x-k8s.io', version: 'v1beta2', olderVersions: ['v1beta1'], namespaced: true };

/** Our PhysicalHosts. */
export const HOSTS: Resource<PhysicalHost> = { ...own, plural: 'physicalhosts', kind: 'PhysicalHost' };
/** Our Beskar7Machines. */
export const MACHINES: Resource<Beskar7Machine> = { ...own, plural: 'beskar7machines', kind: 'Beskar7Machine' };
/** Our Beskar7Clusters, in the stored version. */
export const CLUSTERS: Resource<Beskar7Cluster> = { ...own, plural: 'beskar7clusters', kind: 'Beskar7Cluster' };
/** Our Beskar7MachineTemplates. */
export const MACHINE_TEMPLATES: Resource<Beskar7MachineTemplate> = {
  ...own,
  plural: 'beskar7machinetemplates',
  kind: 'Beskar7MachineTemplate',
};
/** Secrets: credentials and CAs of BMCs, boot tokens, bootstrap data, our certificate. */
export const SECRETS: Resource<Secret> = { ...core, plural: 'secrets', kind: 'Secret' };
/** ConfigMaps: earlier inspection reports. */
export const CONFIG_MAPS: Resource<ConfigMap> = { ...core, plural: 'configmaps', kind: 'ConfigMap' };
/** Read for the uid of kube-system, which tells one cluster from another. */
export const NAMESPACES: Resource = { ...core, namespaced: false, plural: 'namespaces', kind: 'Namespace' };
/** Events of core/v1. */
export const EVENTS: Resource<KubeEvent> = { ...core, plural: 'events', kind: 'Event' };
/** CustomResourceDefinitions, whose conversion leads to our webhook. */
export const DEFINITIONS: Resource<Definition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
/** Machines of Cluster API, which own our machines. */
export const CAPI_MACHINES: Resource<CapiMachine> = { ...capi, plural: 'machines', kind: 'Machine' };
/** Clusters of Cluster API, which own our clusters. */
export const CAPI_CLUSTERS: Resource<CapiCluster> = { ...capi, plural: 'clusters', kind: 'Cluster' };

/** `v1`, or `<group>/<version>`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The path of a kind, of one object, or of its subresource; every part is escaped. */
export function resourcePath(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`;
  const parts = [
    ...(resource.namespaced && namespace !== undefined ? ['namespaces', namespace] : []),
    resource.plural,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return [root, resource.version, ...parts.map(encodeURIComponent)].join('/');
}
