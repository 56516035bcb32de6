import { FINALIZER_HOST, FINALIZER_SECRET, LABEL_MOVE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isConflict, isNotFound } from '../kube/error.ts';
import { HOSTS, SECRETS } from '../kube/resource.ts';
import type { ObjectRef } from '../workflows/names.ts';
import type { Dependencies } from './dependencies.ts';

/** Of a host whose Secret is changed again and again without one that works, the oldest are forgotten. */
const MAX_SECRETS = 16;

/** The Secrets that a host names now. */
function namedSecrets({ spec }: PhysicalHost): string[] {
  const { credentialsSecretRef, caBundleSecretRef } = spec.redfishConnection;
  return caBundleSecretRef === undefined ? [credentialsSecretRef] : [credentialsSecretRef, caBundleSecretRef];
}

/** The Secrets that may carry our finalizer for a host: those that it names, and those that it named when it was enrolled before. */
export function markedSecrets(host: PhysicalHost): string[] {
  return [...new Set([...namedSecrets(host), ...(host.status?.enrollment?.secrets ?? [])])].slice(0, MAX_SECRETS);
}

/** Takes our finalizer off the Secrets that the host named before and names no longer; gives those that it names. */
export async function disownFormerSecrets(deps: Dependencies, host: PhysicalHost): Promise<string[]> {
  const named = namedSecrets(host);
  const former = markedSecrets(host).filter((name) => !named.includes(name));
  const { namespace = '', name, uid = '' } = host.metadata;
  if (former.length > 0) await disownSecrets(deps, { namespace, name, uid }, former);
  return named;
}

/** Secrets in use carry a finalizer: a host that cannot be switched off any more helps nobody (rule 17). They move along with their hosts. */
export async function ownSecrets(deps: Dependencies, host: PhysicalHost): Promise<void> {
  const namespace = host.metadata.namespace ?? '';
  for (const name of namedSecrets(host)) {
    const secret = await deps.secretMarks.read(namespace, name);
    if (!secret || secret.metadata.deletionTimestamp !== undefined) continue;
    const { finalizers = [], labels = {} } = secret.metadata;
    if (finalizers.includes(FINALIZER_SECRET) && labels[LABEL_MOVE] !== undefined) continue;
    const metadata = {
      uid: secret.metadata.uid,
      resourceVersion: secret.metadata.resourceVersion,
      finalizers: [...new Set([...finalizers, FINALIZER_SECRET])],
      labels: { [LABEL_MOVE]: '' },
    };
    try {
      await deps.kube.mergePatch(SECRETS, namespace, name, { metadata });
    } catch (error) {
      // Somebody else changed it, most likely with the same mark: the next enrolment looks again.
      if (!isConflict(error)) throw error;
    }
  }
}

/**
 * Takes the finalizer off Secrets that a host has let go, where no other host holds them: so the last one to go frees them, also when all
 * go at once. Can run twice.
 */
export async function disownSecrets(deps: Dependencies, ref: ObjectRef, secrets: readonly string[]): Promise<void> {
  const { items } = await deps.kube.list(HOSTS, { namespace: ref.namespace });
  const isHolding = ({ metadata }: PhysicalHost) =>
    metadata.uid !== ref.uid &&
    (metadata.deletionTimestamp === undefined || (metadata.finalizers ?? []).includes(FINALIZER_HOST));
  const held = new Set(items.filter(isHolding).flatMap(namedSecrets));
  for (const name of secrets) if (!held.has(name)) await disownSecret(deps, ref.namespace, name);
}

async function disownSecret(deps: Dependencies, namespace: string, name: string): Promise<void> {
  try {
    const secret = await deps.kube.get(SECRETS, namespace, name);
    const finalizers = secret.metadata.finalizers ?? [];
    if (!finalizers.includes(FINALIZER_SECRET)) return;
    const metadata = {
      uid: secret.metadata.uid,
      resourceVersion: secret.metadata.resourceVersion,
      finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_SECRET),
    };
    await deps.kube.mergePatch(SECRETS, namespace, name, { metadata });
  } catch (error) {
    // Gone is good; a conflict fails the activity, which Temporal repeats.
    if (!isNotFound(error)) throw error;
  }
}
