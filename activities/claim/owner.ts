import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { LABEL_CLUSTER_NAME } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isKindAbsent } from '../../kube/error.ts';
import { isBootstrapSecret, notBootstrapText, ownerProblem, ownerReferenceOf } from '../../model/bootstrapSecret.ts';
import { stopOf, type Stop } from '../../model/stops.ts';
import { CAPI_CLUSTERS, CAPI_MACHINES, SECRETS, type Identified, type Resource } from '../../kube/resource.ts';
import { find } from '../../kube/swap.ts';

/** What the owner Machine of Cluster API asks for. */
export interface Owner {
  readonly failureDomain?: string;
}

/** The owner Machine, read live; undefined for a machine that stands alone, or whose owner is gone. */
export async function readOwner(kube: KubeClient, machine: Beskar7Machine): Promise<Owner | undefined> {
  const reference = ownerReferenceOf(machine);
  if (!reference) return undefined;
  const owner = await findOf(kube, CAPI_MACHINES, machine.metadata.namespace ?? '', reference.name);
  if (!owner) return undefined;
  const { failureDomain } = owner.spec;
  return failureDomain ? { failureDomain } : {};
}

/** What bootstrap data the server of a machine gets. */
export type Bootstrap =
  /** None is due: the machine stands alone. */
  | { readonly kind: 'none' }
  | { readonly kind: 'ready'; readonly secret: string }
  /** It is due and not there; `why` is a sentence for the operator. */
  | { readonly kind: 'waits'; readonly why: string };

/**
 * The bootstrap data of a machine, its owner read live. One with an owner Machine, or with the label that Cluster API
 * sets at creation, never stands alone: it is not handed over without. The owner has to be the Machine with the uid of
 * the reference, its infrastructureRef has to name this machine, and the Secret has to be Cluster API's, of this
 * cluster: a name alone would let one tenant read what is another's.
 */
export async function readBootstrap(kube: KubeClient, machine: Beskar7Machine): Promise<Bootstrap> {
  const { namespace = '', labels = {} } = machine.metadata;
  const cluster = labels[LABEL_CLUSTER_NAME];
  const reference = ownerReferenceOf(machine);
  const waits = (why: string): Bootstrap => ({ kind: 'waits', why });
  if (!reference)
    return cluster === undefined ? { kind: 'none' } : waits(`it has no owner Machine of Cluster ${cluster}`);
  const what = `its owner, Machine ${namespace}/${reference.name}`;
  const owner = await findOf(kube, CAPI_MACHINES, namespace, reference.name);
  if (!owner) return waits(`${what}, does not exist, or Cluster API is not installed`);
  const problem = ownerProblem(machine, owner);
  if (problem !== undefined) return waits(`${what}, ${problem}`);
  const { bootstrap, clusterName } = owner.spec;
  const secretName = bootstrap?.dataSecretName;
  if (!secretName) return waits(`${what}, has no spec.bootstrap.dataSecretName (yet)`);
  const secret = await findOf(kube, SECRETS, namespace, secretName);
  if (!secret) return waits(`the bootstrap Secret ${namespace}/${secretName} does not exist (yet)`);
  if (!isBootstrapSecret(secret, clusterName))
    return waits(`Secret ${namespace}/${secretName} ${notBootstrapText(clusterName)}`);
  return { kind: 'ready', secret: secretName };
}

/** Also undefined where Cluster API, and so the kind, is not installed. */
async function findOf<T extends Identified>(
  kube: Pick<KubeClient, 'get'>,
  resource: Resource<T>,
  namespace: string,
  name: string,
): Promise<T | undefined> {
  try {
    return await find(kube, resource, { namespace, name });
  } catch (error) {
    if (isKindAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * Whether the Cluster of a machine pauses it (`spec.paused`), read live; undefined where it does not, or there is no
 * such Cluster, or no Cluster API.
 */
export async function stoppedWithCluster(kube: KubeClient, machine: Beskar7Machine): Promise<Stop | undefined> {
  const { namespace = '', labels = {} } = machine.metadata;
  const name = labels[LABEL_CLUSTER_NAME];
  if (name === undefined) return undefined;
  return stopOf(machine, ['ClusterPaused'], await findOf(kube, CAPI_CLUSTERS, namespace, name));
}
