import { FINALIZER_HOST, FINALIZER_SECRET, LABEL_MOVE } from '../../crds/names.ts';
import { hasUnmarkedSecrets, namedSecrets } from '../../model/connection.ts';
import { isBeingDeleted, stopOf } from '../../model/stops.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS, SECRETS } from '../../kube/resource.ts';
import { find, pinned, swap } from '../../kube/swap.ts';
import type { ObjectRef } from '../../contracts/names.ts';
import type { Caches, Dependencies } from '../dependencies.ts';
import { readHost } from './hostStore.ts';
import { isMarked } from './secretMarks.ts';

/** What it takes to mark Secrets as in use, and to see which other hosts use them. */
export type SecretDependencies = Pick<Dependencies, 'kube' | 'secretMarks'> & {
  readonly caches: Pick<Caches, 'hosts'>;
};

/** Of a host whose Secret is changed again and again without one that works, the oldest are forgotten. */
const MAX_SECRETS = 16;
/** Hosts of one page of a list. */
const PAGE = 100;
/** How many hosts of the cache are looked at before all of the namespace are listed. */
const MAX_LOOKS = 3;

/**
 * The Secrets that may carry our finalizer for a host: those that it names, and those that it named when it was
 * enrolled before.
 */
export function markedSecrets(host: PhysicalHost): string[] {
  return [...new Set([...namedSecrets(host.spec), ...(host.status?.enrollment?.secrets ?? [])])].slice(0, MAX_SECRETS);
}

/** Takes our finalizer off the Secrets that the host named before and names no longer; gives those that it names. */
export async function disownFormerSecrets(deps: SecretDependencies, host: PhysicalHost): Promise<string[]> {
  const named = namedSecrets(host.spec);
  const former = markedSecrets(host).filter((name) => !named.includes(name));
  const { namespace, name, uid } = host.metadata;
  if (former.length > 0) await disownSecrets(deps, { namespace, name, uid }, former);
  return named;
}

/**
 * Secrets in use carry a finalizer: a host that cannot be switched off any more helps nobody (rule 17). They move along
 * with their hosts.
 */
export async function ownSecrets(deps: SecretDependencies, host: PhysicalHost): Promise<void> {
  const namespace = host.metadata.namespace;
  for (const name of namedSecrets(host.spec)) await ownSecret(deps, namespace, name);
}

/**
 * Marks the Secrets that a host is enrolled with once more: one that was replaced (`kubectl replace`), or made again,
 * has lost its marks. `host` may be behind: one that the host names no longer, or that goes with it, is let go at once.
 * What it is not noted with is left to its enrolment, which notes it before it marks it.
 */
export async function ownSecretsAgain(deps: SecretDependencies, host: PhysicalHost): Promise<void> {
  if (hasUnmarkedSecrets(host)) return;
  const { namespace, name, uid } = host.metadata;
  for (const secret of namedSecrets(host.spec)) {
    if (!(await ownSecret(deps, namespace, secret))) continue;
    const live = await readHost(deps.kube, namespace, name);
    const isHeld = live?.metadata.uid === uid && isStaying(live) && namedSecrets(live.spec).includes(secret);
    if (!isHeld) await disownSecrets(deps, { namespace, name, uid }, [secret]);
  }
}

/** True: it had to be marked. */
async function ownSecret(deps: SecretDependencies, namespace: string, name: string): Promise<boolean> {
  return swap({
    what: `Secret ${namespace}/${name}`,
    start: await deps.secretMarks.read(namespace, name),
    read: () => find(deps.kube, SECRETS, { namespace, name }),
    write: async (secret) => {
      if (!secret || isMarked(secret.metadata)) return false;
      const { finalizers = [] } = secret.metadata;
      // clusterctl takes finalizers away before it deletes what it has moved.
      if (stopOf(secret, ['Deleting', 'Moving'])) return false;
      const marks = { finalizers: [...new Set([...finalizers, FINALIZER_SECRET])], labels: { [LABEL_MOVE]: '' } };
      // On a conflict another writer changed it: with the same mark most likely, or a user has put in another password,
      // and then it still lacks ours.
      await deps.kube.mergePatch(SECRETS, namespace, name, pinned(secret, { metadata: marks }));
      return true;
    },
    onGone: () => false,
  });
}

/**
 * Takes the finalizer off Secrets that a host has let go, where no other host holds them: so the last one to go frees
 * them, also when all go at once. Can run twice.
 */
export async function disownSecrets(
  deps: SecretDependencies,
  ref: ObjectRef,
  secrets: readonly string[],
): Promise<void> {
  const unheld = new Set(secrets);
  for (const name of secrets) if (await isHeldByKnown(deps, ref, name)) unheld.delete(name);
  await dropHeld(deps, ref, unheld);
  for (const name of unheld) await disownSecret(deps, ref.namespace, name);
}

/** A host that holds its Secrets, other than the one that lets them go. */
function isHolding(host: PhysicalHost, ref: ObjectRef): boolean {
  return host.metadata.uid !== ref.uid && isStaying(host);
}

function isStaying(host: PhysicalHost): boolean {
  return !isBeingDeleted(host) || (host.metadata.finalizers ?? []).includes(FINALIZER_HOST);
}

/** Saves the list where a fleet shares one Secret: some of those that hold it by the cache are looked at live. */
async function isHeldByKnown(deps: SecretDependencies, ref: ObjectRef, secret: string): Promise<boolean> {
  const holders = deps.caches
    .hosts(ref.namespace)
    .filter((host) => isHolding(host, ref) && namedSecrets(host.spec).includes(secret));
  for (const { metadata } of holders.slice(0, MAX_LOOKS)) {
    const live = await readHost(deps.kube, ref.namespace, metadata.name);
    if (live && isHolding(live, ref) && namedSecrets(live.spec).includes(secret)) return true;
  }
  return false;
}

/**
 * Takes out of `secrets` those that a host of the namespace holds: read live, page by page, since hosts carry their
 * reports.
 */
async function dropHeld(deps: SecretDependencies, ref: ObjectRef, secrets: Set<string>): Promise<void> {
  let next: string | undefined;
  while (secrets.size > 0) {
    const paging = next === undefined ? {} : { continue: next };
    const page = await deps.kube.list(HOSTS, { namespace: ref.namespace, limit: PAGE, ...paging });
    for (const host of page.items)
      if (isHolding(host, ref)) for (const name of namedSecrets(host.spec)) secrets.delete(name);
    if (page.continue === undefined) return;
    next = page.continue;
  }
}

async function disownSecret(deps: SecretDependencies, namespace: string, name: string): Promise<void> {
  await swap({
    what: `Secret ${namespace}/${name}`,
    read: () => find(deps.kube, SECRETS, { namespace, name }),
    write: async (secret) => {
      const finalizers = secret?.metadata.finalizers ?? [];
      if (!secret || !finalizers.includes(FINALIZER_SECRET)) return;
      const metadata = { finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_SECRET) };
      await deps.kube.mergePatch(SECRETS, namespace, name, pinned(secret, { metadata }));
    },
    // Gone is good.
    onGone: () => undefined,
  });
}
