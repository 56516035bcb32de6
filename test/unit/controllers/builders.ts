import type { Beskar7Cluster } from '../../../crds/beskar7Cluster.ts';
import type { Beskar7Machine, Beskar7MachineSpec, Beskar7MachineStatus } from '../../../crds/beskar7Machine.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import { connectionHash } from '../../../model/connection.ts';
import { askOf, specHash, type Handled } from '../../../model/handled.ts';
import {
  ANNOTATION_HANDLED,
  ANNOTATION_SERVER,
  FINALIZER_HOST,
  FINALIZER_MACHINE,
  LABEL_CONSUMER_UID,
} from '../../../crds/names.ts';
import type { ObjectMeta } from '../../../crds/object.ts';
import type { PhysicalHost, PhysicalHostSpec, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { serializeServer } from '../../../model/serverIdentity.ts';
import type { CapiCluster, CapiMachine } from '../../../kube/resource.ts';
import { claimAnnotation, type ClaimFields } from '../../support/claims.ts';

export const CLAIM = 'claim-1';

export function machine(
  parts: { metadata?: Partial<ObjectMeta>; spec?: Partial<Beskar7MachineSpec>; status?: Beskar7MachineStatus } = {},
): Beskar7Machine {
  return {
    apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
    kind: 'Beskar7Machine',
    metadata: { namespace: 'ns', name: 'm', uid: 'm-uid', resourceVersion: '1', ...parts.metadata },
    spec: { targetOSImage: 'http://images/os.tar.gz', ...parts.spec },
    ...(parts.status ? { status: parts.status } : {}),
  };
}

/** The annotation of a run that has dealt with the machine as it is, or as `of` says. */
export function handled(
  of: Beskar7Machine,
  outcome: Handled['outcome'],
  other: Partial<Handled> = {},
): Record<string, string> {
  return { [ANNOTATION_HANDLED]: JSON.stringify({ ...askOf(of), outcome, ...other }) };
}

export const OWNED = {
  labels: { 'cluster.x-k8s.io/cluster-name': 'c' },
  ownerReferences: [{ apiVersion: 'cluster.x-k8s.io/v1beta2', kind: 'Machine', name: 'owner', uid: 'o' }],
};
export const DELETED = { deletionTimestamp: '2026-01-01T00:00:00Z' };
export const OURS = { finalizers: [FINALIZER_MACHINE] };

export function host(
  parts: { metadata?: Partial<ObjectMeta>; spec?: Partial<PhysicalHostSpec>; status?: PhysicalHostStatus } = {},
): PhysicalHost {
  return {
    apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
    kind: 'PhysicalHost',
    metadata: {
      namespace: 'ns',
      name: 'h',
      uid: 'h-uid',
      resourceVersion: '1',
      finalizers: [FINALIZER_HOST],
      ...parts.metadata,
    },
    spec: { redfishConnection: { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' }, ...parts.spec },
    ...(parts.status ? { status: parts.status } : {}),
  };
}

/** What the enrolment of a host records of a server without UUID and serial number. */
export const SERVER = { [ANNOTATION_SERVER]: serializeServer({ address: '10.0.0.5' }) };

/** An enrolled host that is free. */
export function freeHost(
  name: string,
  labels: Record<string, string> = {},
  metadata: Partial<ObjectMeta> = {},
): PhysicalHost {
  const annotations = { ...SERVER, ...metadata.annotations };
  const made = host({ metadata: { name, uid: `${name}-uid`, labels, ...metadata, annotations } });
  return {
    ...made,
    status: { state: 'Available', enrollment: { connectionHash: connectionHash(made.spec), attempt: 0 } },
  };
}

/** A host that the machine `m` has claimed. */
export function claimedHost(
  stage: ClaimStage,
  status: PhysicalHostStatus = {},
  metadata: Partial<ObjectMeta> = {},
  claim: ClaimFields = {},
): PhysicalHost {
  const annotation = claimAnnotation(stage, { id: CLAIM, specHash: specHash(machine().spec), ...claim });
  const enrollment = { connectionHash: connectionHash(host().spec), attempt: 0, secrets: ['bmc'] };
  return host({
    metadata: {
      ...metadata,
      labels: { [LABEL_CONSUMER_UID]: 'm-uid' },
      annotations: { ...annotation, ...SERVER, ...metadata.annotations },
    },
    spec: { consumerRef: { apiVersion: 'v', kind: 'Beskar7Machine', name: 'm', namespace: 'ns', uid: 'm-uid' } },
    status: { enrollment, ...status },
  });
}

export function capiMachine(
  parts: Partial<Omit<CapiMachine, 'metadata'>> & { metadata?: Partial<ObjectMeta> } = {},
): CapiMachine {
  return {
    metadata: { namespace: 'ns', name: 'owner', uid: 'o', resourceVersion: '1', ...parts.metadata },
    spec: { clusterName: 'c', ...parts.spec },
    ...(parts.status ? { status: parts.status } : {}),
  };
}

export function capiCluster(parts: Partial<Omit<CapiCluster, 'metadata'>> = {}): CapiCluster {
  return { metadata: { namespace: 'ns', name: 'c', uid: 'c-uid', resourceVersion: '1' }, spec: {}, ...parts };
}

export function cluster(
  parts: Partial<Omit<Beskar7Cluster, 'metadata'>> & { metadata?: Partial<ObjectMeta> } = {},
): Beskar7Cluster {
  return {
    metadata: { namespace: 'ns', name: 'bc', uid: 'bc-uid', resourceVersion: '1', ...parts.metadata },
    spec: parts.spec ?? {},
    ...(parts.status ? { status: parts.status } : {}),
  };
}
