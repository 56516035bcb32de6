import type { Condition } from '../../../crds/schema.ts';
import type { KubeObject } from '../../../crds/object.ts';
import type { Resource } from '../../../kube/resource.ts';

/** Kinds that only tests touch, as far as they look at them. */
const capi = { group: 'cluster.x-k8s.io', version: 'v1beta2', namespaced: true };

export type TestCluster = KubeObject<
  { paused?: boolean; controlPlaneEndpoint?: { host?: string; port?: number } },
  {
    phase?: string;
    initialization?: { infrastructureProvisioned?: boolean; controlPlaneInitialized?: boolean };
    failureDomains?: { name: string; controlPlane?: boolean }[];
    conditions?: Condition[];
  }
>;

export type TestMachine = KubeObject<
  { clusterName: string; failureDomain?: string; providerID?: string; infrastructureRef: { name: string } },
  {
    phase?: string;
    addresses?: { type: string; address: string }[];
    failureDomain?: string;
    nodeRef?: { name: string };
    initialization?: { infrastructureProvisioned?: boolean };
    conditions?: Condition[];
  }
>;

export type TestMachineDeployment = KubeObject<
  { replicas?: number },
  { replicas?: number; readyReplicas?: number; availableReplicas?: number; upToDateReplicas?: number; phase?: string }
>;

export type TestNode = KubeObject<
  { providerID?: string },
  {
    conditions?: { type: string; status: string; reason: string; message: string }[];
    nodeInfo?: { osImage: string; kubeletVersion: string; containerRuntimeVersion: string };
  }
>;

export const TEST_CLUSTERS: Resource<TestCluster> = { ...capi, plural: 'clusters', kind: 'Cluster' };
export const TEST_MACHINES: Resource<TestMachine> = { ...capi, plural: 'machines', kind: 'Machine' };
export const MACHINE_DEPLOYMENTS: Resource<TestMachineDeployment> = {
  ...capi,
  plural: 'machinedeployments',
  kind: 'MachineDeployment',
};
export const NODES: Resource<TestNode> = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false };
