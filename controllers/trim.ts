import type { Beskar7Cluster } from '../crds/beskar7Cluster.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { Beskar7MachineTemplate } from '../crds/beskar7MachineTemplate.ts';
import type { ReadMeta } from '../crds/object.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { slimReport } from '../model/requirements.ts';
import type { CapiCluster, CapiMachine } from '../kube/resource.ts';
import { defined } from '../untrusted/defined.ts';

/** Written by `kubectl apply`: a second copy of the object. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** A host as watch caches keep it: without managedFields, and of the inspection report only what validation needs. */
export function trimHost(host: PhysicalHost): PhysicalHost {
  const metadata = trimMeta(host.metadata);
  if (host.status?.inspectionReport === undefined) return { ...host, metadata };
  return { ...host, metadata, status: { ...host.status, inspectionReport: slimReport(host.status.inspectionReport) } };
}

/** A Beskar7Machine as watch caches keep it: without managedFields and kubectl's copy of the object. */
export function trimMachine(machine: Beskar7Machine): Beskar7Machine {
  return { ...machine, metadata: trimMeta(machine.metadata) };
}

/** A Beskar7MachineTemplate as watch caches keep it, like `trimMachine`. */
export function trimTemplate(template: Beskar7MachineTemplate): Beskar7MachineTemplate {
  return { ...template, metadata: trimMeta(template.metadata) };
}

/** A Beskar7Cluster as watch caches keep it, like `trimMachine`. */
export function trimCluster(cluster: Beskar7Cluster): Beskar7Cluster {
  return { ...cluster, metadata: trimMeta(cluster.metadata) };
}

/** Keeps what `CapiMachine` names; Cluster API's objects carry much more. */
export function trimCapiMachine(machine: CapiMachine): CapiMachine {
  const { clusterName, failureDomain, bootstrap, infrastructureRef } = machine.spec;
  const { addresses, infrastructureReady, initialization } = machine.status ?? {};
  return {
    metadata: identityOf(machine.metadata),
    spec: defined({ clusterName, failureDomain, bootstrap, infrastructureRef }),
    status: defined({ addresses, infrastructureReady, initialization }),
  };
}

/** Keeps what `CapiCluster` names. */
export function trimCapiCluster(cluster: CapiCluster): CapiCluster {
  const { paused, infrastructureRef } = cluster.spec;
  const { infrastructureReady, initialization } = cluster.status ?? {};
  return {
    metadata: identityOf(cluster.metadata),
    spec: defined({ paused, infrastructureRef }),
    status: defined({ infrastructureReady, initialization }),
  };
}

function trimMeta(metadata: ReadMeta): ReadMeta {
  const { managedFields: _fields, annotations, ...rest } = metadata as ReadMeta & { managedFields?: unknown };
  if (annotations === undefined) return rest;
  const { [LAST_APPLIED]: _copy, ...kept } = annotations;
  return { ...rest, annotations: kept };
}

function identityOf(metadata: ReadMeta): ReadMeta {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels } = metadata;
  return { name, namespace, uid, resourceVersion, ...defined({ creationTimestamp, deletionTimestamp, labels }) };
}
