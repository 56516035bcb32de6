import type { Beskar7Cluster, Beskar7ClusterStatus } from '../crds/beskar7Cluster.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { condition, findCondition, type ConditionPatch } from '../crds/conditions.ts';
import { canonicalJson } from '../model/handled.ts';
import { ANNOTATION_MANAGED_BY, LABEL_CONTROL_PLANE, LABEL_ZONE } from '../crds/names.ts';
import { isBeingDeleted, pausedBy, stopOf } from '../model/stops.ts';
import { reachableAddress } from '../model/networkIdentity.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import type { CapiCluster, CapiMachine } from '../kube/resource.ts';

/** What the caches know of a Beskar7Cluster. */
export interface ClusterView {
  readonly cluster: Beskar7Cluster;
  readonly owner?: CapiCluster | undefined;
  /** Control-plane Machines of its Cluster, where Cluster API is there. */
  readonly capiMachines: readonly CapiMachine[];
  /** Beskar7Machines of the same cluster: the fallback without Cluster API. */
  readonly machines: readonly Beskar7Machine[];
  /** Hosts of its namespace. */
  readonly hosts: readonly PhysicalHost[];
}

/** What a watcher does about a cluster; `why` is for the log. */
export type ClusterDecision =
  | { readonly kind: 'nothing'; readonly why: string }
  | {
      readonly kind: 'write';
      /** For spec; absent when it stands there. */
      readonly endpoint?: { host: string; port: number };
      /** The whole status; absent when it stands there. */
      readonly status?: Beskar7ClusterStatus;
    };

/** Condition of a Beskar7Cluster: whether `controlPlaneEndpoint` is known. */
export const ENDPOINT_READY = 'ControlPlaneEndpointReady';
const DEFAULT_PORT = 6443;
/** Bound of the schema. */
const MAX_ZONES = 256;

/**
 * What has to be written for a cluster. Its infrastructure is ready without an endpoint: the control-plane machine that
 * the endpoint comes from waits for just that (InfraCluster contract). Pure; `now` is RFC 3339.
 */
export function decideCluster(view: ClusterView, now: string): ClusterDecision {
  const { cluster } = view;
  const { annotations = {} } = cluster.metadata;
  if (annotations[ANNOTATION_MANAGED_BY] !== undefined) return { kind: 'nothing', why: 'managed externally' };
  const deleting = stopOf(cluster, ['Deleting']);
  if (deleting) return { kind: 'nothing', why: deleting.text };
  const paused = clusterPausedBy(view);
  if (paused !== undefined) return writeStatus(cluster, pausedStatus(cluster, paused, now));
  const given = cluster.spec.controlPlaneEndpoint;
  const port = given?.port || DEFAULT_PORT;
  const isGiven = given?.host !== undefined && given.host !== '';
  const host = isGiven ? given.host : endpointAddress(view);
  const endpoint = host === undefined ? undefined : { host, port };
  const status = readyStatus(view, endpoint, now);
  const decision = writeStatus(cluster, status);
  if (endpoint === undefined || (isGiven && given.port === port)) return decision;
  return decision.kind === 'write' ? { ...decision, endpoint } : { kind: 'write', endpoint };
}

function clusterPausedBy({ cluster, owner }: ClusterView): string | undefined {
  const paused = pausedBy(cluster, owner);
  return paused && `${paused}.`;
}

/** The address of the oldest control-plane machine that has one: InternalIP, else ExternalIP. */
function endpointAddress({ capiMachines, machines }: ClusterView): string | undefined {
  const ready = [...capiMachines.filter(isReady), ...machines.filter(isProvisionedControlPlane)];
  const addresses = ready.sort(byAge).map((machine) => {
    const all = machine.status?.addresses ?? [];
    const of = (type: string) =>
      all.find((entry) => entry.type === type && reachableAddress(entry.address) !== undefined)?.address;
    return of('InternalIP') ?? of('ExternalIP');
  });
  return addresses.find((address) => address !== undefined);
}

/** InfrastructureReady, in contract v1beta1 or v1beta2. */
function isReady(machine: CapiMachine): boolean {
  if (isBeingDeleted(machine)) return false;
  const { status } = machine;
  return status?.infrastructureReady === true || status?.initialization?.infrastructureProvisioned === true;
}

function isProvisionedControlPlane(machine: Beskar7Machine): boolean {
  const isControlPlane = machine.metadata.labels?.[LABEL_CONTROL_PLANE] !== undefined;
  return isControlPlane && !isBeingDeleted(machine) && machine.status?.ready === true;
}

function byAge(a: CapiMachine | Beskar7Machine, b: CapiMachine | Beskar7Machine): number {
  const [ageA, ageB] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (ageA !== ageB) return ageA < ageB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** The map of contract v1beta1, which the CRD's label promises. */
function failureDomains(hosts: readonly PhysicalHost[]): Record<string, { controlPlane: boolean }> {
  const zones = hosts
    .filter((host) => !isBeingDeleted(host))
    .map(({ metadata }) => metadata.labels?.[LABEL_ZONE])
    .filter((zone): zone is string => zone !== undefined && zone !== '');
  const names = [...new Set(zones)].sort().slice(0, MAX_ZONES);
  return Object.fromEntries(names.map((name) => [name, { controlPlane: true }]));
}

function readyStatus(
  view: ClusterView,
  endpoint: { host: string; port: number } | undefined,
  now: string,
): Beskar7ClusterStatus {
  const { cluster, hosts } = view;
  const domains = failureDomains(hosts);
  const patches: ConditionPatch[] = [
    {
      type: CONDITIONS.ready,
      status: 'True',
      reason: 'InfrastructureReady',
      message: 'Machines may be provisioned.',
    },
    endpoint
      ? {
          type: ENDPOINT_READY,
          status: 'True',
          reason: 'EndpointSet',
          message: `The control plane is at ${endpoint.host}:${endpoint.port}.`,
        }
      : {
          type: ENDPOINT_READY,
          status: 'False',
          reason: 'WaitingForControlPlaneMachine',
          message:
            'No control-plane machine with an address is there yet. To name the endpoint beforehand, set spec.controlPlaneEndpoint.host.',
        },
  ];
  return {
    ready: true,
    initialization: { provisioned: true },
    ...(endpoint === undefined ? {} : { controlPlaneEndpoint: endpoint }),
    ...(Object.keys(domains).length === 0 ? {} : { failureDomains: domains }),
    conditions: conditionsOf(cluster, patches, now),
  };
}

/** Everything as it stands, and the condition: what an apply leaves out is removed. */
function pausedStatus(cluster: Beskar7Cluster, message: string, now: string): Beskar7ClusterStatus {
  const { conditions = [], ...rest } = cluster.status ?? {};
  const others = conditions.filter(({ type }) => type !== CONDITIONS.paused);
  const paused = conditionsOf(cluster, [{ type: CONDITIONS.paused, status: 'True', reason: 'Paused', message }], now);
  return { ...rest, conditions: [...others, ...paused] };
}

function conditionsOf(cluster: Beskar7Cluster, patches: readonly ConditionPatch[], now: string) {
  const { conditions } = cluster.status ?? {};
  return patches.map((patch) =>
    condition(patch, now, cluster.metadata.generation, findCondition(conditions, patch.type)),
  );
}

function writeStatus(cluster: Beskar7Cluster, status: Beskar7ClusterStatus): ClusterDecision {
  if (comparable(status) === comparable(cluster.status)) return { kind: 'nothing', why: 'all is written' };
  return { kind: 'write', status };
}

/** Without times and generations, which change alone only with a write. */
function comparable(status: Beskar7ClusterStatus | undefined): string {
  const conditions = (status?.conditions ?? [])
    .map(({ type, status: value, reason, message }) => ({ type, value, reason, message }))
    .sort((a, b) => (a.type < b.type ? -1 : 1));
  return canonicalJson({ ...status, conditions });
}
