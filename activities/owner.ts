import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { KubeClient } from '../kube/client.ts';
import { isKindAbsent, isNotFound } from '../kube/error.ts';
import { CAPI_CLUSTERS, CAPI_MACHINES } from '../kube/resource.ts';

/** What the owner Machine of Cluster API asks for. */
export interface Owner {
  readonly failureDomain?: string;
  /** Name of the Secret with the bootstrap data, once there is one. */
  readonly dataSecretName?: string;
}

/** The owner Machine, read live; undefined for a machine that stands alone, or whose owner is gone. */
export async function readOwner(kube: KubeClient, machine: Beskar7Machine): Promise<Owner | undefined> {
  const reference = machine.metadata.ownerReferences?.find(
    (owner) => owner.kind === 'Machine' && owner.apiVersion.startsWith('cluster.x-k8s.io/'),
  );
  if (!reference) return undefined;
  try {
    const owner = await kube.get(CAPI_MACHINES, machine.metadata.namespace ?? '', reference.name);
    const failureDomain = owner.spec.failureDomain;
    const dataSecretName = owner.spec.bootstrap?.dataSecretName;
    return {
      ...(failureDomain ? { failureDomain } : {}),
      ...(dataSecretName ? { dataSecretName } : {}),
    };
  } catch (error) {
    if (isNotFound(error) || isKindAbsent(error)) return undefined;
    throw error;
  }
}

/** `Cluster.spec.paused`, read live; false where there is no such Cluster, or no Cluster API. */
export async function isClusterPaused(kube: KubeClient, namespace: string, name: string): Promise<boolean> {
  try {
    return (await kube.get(CAPI_CLUSTERS, namespace, name)).spec.paused === true;
  } catch (error) {
    if (isNotFound(error) || isKindAbsent(error)) return false;
    throw error;
  }
}
