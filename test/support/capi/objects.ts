import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Beskar7MachineSpec } from '../../../crds/beskar7Machine.ts';

const INFRASTRUCTURE = 'infrastructure.cluster.x-k8s.io/v1beta1';
const CORE = 'cluster.x-k8s.io/v1beta2';
const CLUSTER_LABEL = 'cluster.x-k8s.io/cluster-name';
const OS = 'http://images.example/os.tar.gz';

const ref = (kind: string, name: string) => ({ apiGroup: 'infrastructure.cluster.x-k8s.io', kind, name });

/** The Cluster and its Beskar7Cluster. */
export function clusterObjects(name: string): object[] {
  return [
    { apiVersion: INFRASTRUCTURE, kind: 'Beskar7Cluster', metadata: { name }, spec: {} },
    {
      apiVersion: CORE,
      kind: 'Cluster',
      metadata: { name },
      spec: {
        infrastructureRef: ref('Beskar7Cluster', name),
        clusterNetwork: { pods: { cidrBlocks: ['10.1.0.0/16'] } },
      },
    },
  ];
}

/**
 * What a control-plane provider and a bootstrap provider would make: bootstrap data, and the kubeconfig of the new
 * cluster.
 */
export function secretsOf(cluster: string, kubeconfigFile: string): object[] {
  const labels = { [CLUSTER_LABEL]: cluster };
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `${cluster}-bootstrap`, labels },
      type: 'cluster.x-k8s.io/secret',
      stringData: { value: `#cloud-config\n# bootstrap-${randomBytes(16).toString('hex')}\n`, format: 'cloud-config' },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `${cluster}-kubeconfig`, labels },
      type: 'cluster.x-k8s.io/secret',
      stringData: { value: readFileSync(kubeconfigFile, 'utf8') },
    },
  ];
}

/** A control-plane Machine with its Beskar7Machine, labelled as a control-plane provider does it. */
export function controlPlaneMachine(cluster: string, name: string, failureDomain?: string): object[] {
  const labels = { [CLUSTER_LABEL]: cluster, 'cluster.x-k8s.io/control-plane': '' };
  return [
    {
      apiVersion: INFRASTRUCTURE,
      kind: 'Beskar7Machine',
      metadata: { name, labels },
      spec: { targetOSImage: OS } satisfies Beskar7MachineSpec,
    },
    {
      apiVersion: CORE,
      kind: 'Machine',
      metadata: { name, labels },
      spec: {
        clusterName: cluster,
        version: 'v1.33.0',
        ...(failureDomain === undefined ? {} : { failureDomain }),
        bootstrap: { dataSecretName: `${cluster}-bootstrap` },
        infrastructureRef: ref('Beskar7Machine', name),
      },
    },
  ];
}

export function machineTemplate(name: string, spec: Partial<Beskar7MachineSpec> = {}): object {
  return {
    apiVersion: INFRASTRUCTURE,
    kind: 'Beskar7MachineTemplate',
    metadata: { name },
    spec: { template: { spec: { targetOSImage: OS, ...spec } } },
  };
}

export function machineDeployment(cluster: string, name: string, template: string, replicas: number): object {
  const labels = { [CLUSTER_LABEL]: cluster, 'cluster.x-k8s.io/deployment-name': name };
  return {
    apiVersion: CORE,
    kind: 'MachineDeployment',
    metadata: { name, labels: { [CLUSTER_LABEL]: cluster } },
    spec: {
      clusterName: cluster,
      replicas,
      rollout: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          clusterName: cluster,
          version: 'v1.33.0',
          bootstrap: { dataSecretName: `${cluster}-bootstrap` },
          infrastructureRef: ref('Beskar7MachineTemplate', template),
        },
      },
    },
  };
}

/** Replaces Machines whose infrastructure has been not ready for so long. */
export function machineHealthCheck(cluster: string, deployment: string, timeoutSeconds: number): object {
  return {
    apiVersion: CORE,
    kind: 'MachineHealthCheck',
    metadata: { name: `${deployment}-health` },
    spec: {
      clusterName: cluster,
      selector: { matchLabels: { 'cluster.x-k8s.io/deployment-name': deployment } },
      checks: { unhealthyMachineConditions: [{ type: 'InfrastructureReady', status: 'False', timeoutSeconds }] },
    },
  };
}
