import { LABEL_CLUSTER_NAME } from '../crds/names.ts';
import type { KubeObject, ObjectMeta } from '../crds/object.ts';

/** Type of the Secrets with bootstrap data (Cluster API, bootstrap provider contract). */
const BOOTSTRAP_SECRET_TYPE = 'cluster.x-k8s.io/secret';

/**
 * Whether a Secret is bootstrap data of a Cluster: by its type and its label, both of which Cluster API requires. A
 * name alone would let one tenant read what is another's, such as the password of a BMC.
 */
export function isBootstrapSecret(
  { type, metadata }: { readonly type?: string; readonly metadata: Pick<ObjectMeta, 'labels'> },
  cluster: string | undefined,
): boolean {
  return type === BOOTSTRAP_SECRET_TYPE && cluster !== undefined && metadata.labels?.[LABEL_CLUSTER_NAME] === cluster;
}

/** What a Secret has to be for that, in words that follow its name. */
export function notBootstrapText(cluster: string | undefined): string {
  return (
    `is no bootstrap data of Cluster ${cluster ?? '?'} ` +
    `(type ${BOOTSTRAP_SECRET_TYPE} and label ${LABEL_CLUSTER_NAME} are required)`
  );
}

/** The reference of a machine to its owner Machine of Cluster API, of whatever version; undefined: it stands alone. */
export function ownerReferenceOf({ metadata }: Pick<KubeObject, 'metadata'>) {
  return metadata.ownerReferences?.find(
    (owner) => owner.kind === 'Machine' && owner.apiVersion.startsWith('cluster.x-k8s.io/'),
  );
}

/** What is looked at of a Machine of Cluster API. */
interface OwnerMachine {
  readonly metadata: Pick<ObjectMeta, 'uid'>;
  readonly spec: {
    readonly clusterName?: string;
    readonly infrastructureRef?: { readonly kind?: string; readonly name?: string };
  };
}

/**
 * Why a Machine is not the owner of a machine that refers to it; undefined: it is. Whoever may write a Beskar7Machine
 * writes its owner reference and its cluster label, and those of another Machine of the namespace: both sides have to
 * agree, by uid, name and cluster. Follows the name of the Machine in a sentence.
 */
export function ownerProblem(
  { metadata }: Pick<KubeObject, 'metadata'>,
  { metadata: { uid }, spec: { clusterName, infrastructureRef } }: OwnerMachine,
): string | undefined {
  if (uid !== ownerReferenceOf({ metadata })?.uid) return 'is another one than the owner reference means (uid)';
  if (infrastructureRef?.kind !== 'Beskar7Machine' || infrastructureRef.name !== metadata.name)
    return 'does not name this machine in spec.infrastructureRef';
  const label = metadata.labels?.[LABEL_CLUSTER_NAME];
  if (label !== undefined && label !== clusterName)
    return `is of another Cluster (${clusterName ?? 'none'}) than the label of this machine says (${label})`;
  return undefined;
}
