import { claimOf } from '../../model/claim.ts';
import { ANNOTATION_FORCE_RELEASE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { KubeError } from '../../kube/error.ts';
import { HOSTS } from '../../kube/resource.ts';
import type { ChaosWorld } from './world.ts';

type World = Pick<ChaosWorld, 'admin' | 'isForced' | 'noteForced' | 'takeBackForced'>;

/**
 * The claim of a host is ended by force, as an operator does it. The host is noted as forced unless that was certainly
 * not written. Throws what the API server said against it.
 */
export async function forceRelease(world: World, host: PhysicalHost): Promise<void> {
  const claim = claimOf(host);
  if (!claim) return;
  const { name, namespace = '', uid = '', resourceVersion = '' } = host.metadata;
  const isForced = world.isForced(name);
  // Before, since the release may be over before the answer is here.
  world.noteForced(name, claim.id);
  // With the version: it is said of this claim, not of one that came meanwhile.
  const metadata = { uid, resourceVersion, annotations: { [ANNOTATION_FORCE_RELEASE]: 'chaos' } };
  try {
    await world.admin.mergePatch(HOSTS, namespace, name, { metadata });
  } catch (error) {
    if (!isForced && isRefused(error)) world.takeBackForced(name, claim.id);
    throw error;
  }
}

/** Certainly not written. An answer that was lost, or a 5xx, says nothing about it. */
function isRefused(error: unknown): boolean {
  return error instanceof KubeError && error.status >= 400 && error.status < 500 && error.status !== 408;
}
