import { isUnclaimed } from '../../model/claim.ts';
import { namedSecrets } from '../../model/connection.ts';
import { FINALIZER_SECRET } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { SECRETS } from '../../kube/resource.ts';
import { find } from '../../kube/swap.ts';
import type { Dependencies } from '../dependencies.ts';
import { disownFormerSecrets, markedSecrets, ownSecrets } from '../store/hostSecrets.ts';
import { patchHostStatus } from '../store/hostStore.ts';

/**
 * For a claimed host, which is not enrolled, that names other Secrets than it is noted with: marks those that it names
 * as in use, lets the former ones go and notes it (rule 17), or else the new one could be deleted, and the host not be
 * released any more. One that is not there (yet) changes nothing: the former ones stay marked, and the watcher comes
 * again. Calls no BMC; the connection counts as enrolled with what it was, so that the host is enrolled again when it
 * is free. Gives a sentence for the operator. Can run twice.
 */
export async function ownClaimedSecrets(deps: Dependencies, host: PhysicalHost): Promise<string> {
  const { namespace, name } = host.metadata;
  const what = `PhysicalHost ${namespace}/${name} is claimed`;
  const named = namedSecrets(host.spec);
  // First what may be marked from here on: whatever is named next, or lost in between, a later look lets go what is on
  // this list.
  const noted = await noteSecrets(deps, host, named, markedSecrets);
  if (!isClaimedWith(noted, named)) return `${what} no longer, or names other Secrets`;
  await ownSecrets(deps, noted);
  for (const secret of named) {
    if (await isOwned(deps, namespace, secret)) continue;
    return `${what}, and its Secret ${secret} is not there (yet): the one of before stays in use`;
  }
  await disownFormerSecrets(deps, noted);
  await noteSecrets(deps, noted, named, () => named);
  return `${what}; the Secrets that it names are marked as in use`;
}

/**
 * Notes the Secrets that may carry our finalizer for a claimed host, as long as it names `named`. Gives the host as it
 * is then.
 */
function noteSecrets(
  deps: Dependencies,
  host: PhysicalHost,
  named: readonly string[],
  secretsOf: (live: PhysicalHost) => string[],
): Promise<PhysicalHost> {
  const { namespace, name } = host.metadata;
  return patchHostStatus(
    deps.kube,
    { namespace, host: name },
    (live) => {
      if (!isClaimedWith(live, named)) return undefined;
      const known = live.status?.enrollment ?? { connectionHash: '', attempt: 0 };
      const secrets = secretsOf(live);
      return known.secrets?.join() === secrets.join() ? undefined : { enrollment: { ...known, secrets } };
    },
    host,
  );
}

function isClaimedWith(host: PhysicalHost, named: readonly string[]): boolean {
  return !isUnclaimed(host) && namedSecrets(host.spec).join() === named.join();
}

async function isOwned(deps: Dependencies, namespace: string, name: string): Promise<boolean> {
  const secret = await find(deps.kube, SECRETS, { namespace, name });
  return secret?.metadata.finalizers?.includes(FINALIZER_SECRET) === true;
}
