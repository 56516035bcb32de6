import { ANNOTATION_SERVER } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { isNotFound } from '../../kube/error.ts';
import { HOSTS } from '../../kube/resource.ts';
import type { Random } from './random.ts';
import { indexOf, type ChaosWorld } from './world.ts';

/** The name of a copy ends with the number of its server, as that of the host itself does. */
const PREFIX = 'copy-';

type World = Pick<ChaosWorld, 'admin' | 'kubernetes' | 'copied' | 'isPartOfEdit' | 'namespace'>;

/** A second PhysicalHost for the server of another one. */
export function isCopy(name: string): boolean {
  return name.startsWith(PREFIX);
}

function copyOf(host: string): string {
  return `${PREFIX}${indexOf(host) + 1}`;
}

/**
 * Whether a host has, or had a moment ago, a copy: were it deleted, the copy would be the first one for its server, and
 * rightly be claimed.
 */
function hasCopy({ copied }: Pick<World, 'copied'>, host: string): boolean {
  return copied.has(copyOf(host));
}

/**
 * Makes a copy of an enrolled host, with its BMC address in another spelling, or deletes one. False: there was none to
 * copy.
 */
export async function copyOrDelete(world: World, random: Random): Promise<false | string> {
  const { admin, kubernetes, copied, namespace } = world;
  const hosts = [...kubernetes.hosts.values()];
  const copies = hosts.filter(({ metadata }) => isCopy(metadata.name) && metadata.deletionTimestamp === undefined);
  const old = random.chance(0.5) ? random.pick(copies) : undefined;
  if (old !== undefined) {
    await admin.delete(HOSTS, namespace, old.metadata.name);
    return 'deleteCopy';
  }
  const host = random.pick(hosts.filter((candidate) => isOrdinary(world, candidate)));
  if (host === undefined) return false;
  const { name, labels = {} } = host.metadata;
  const { address, credentialsSecretRef } = host.spec.redfishConnection;
  // Before, since it may be there although the answer is lost.
  copied.add(copyOf(name));
  await admin.create(HOSTS, {
    metadata: { name: copyOf(name), namespace, labels },
    spec: { redfishConnection: { address: `${address}//redfish/v1/`, credentialsSecretRef } },
  });
  return 'copyHost';
}

/** Deletes all copies. */
export async function deleteCopies({ admin, copied, namespace }: World): Promise<void> {
  for (const name of copied) {
    await admin.delete(HOSTS, namespace, name).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/**
 * A host that is enrolled, and the only one that has its address: it stays the first one for its server whatever else
 * gets that address.
 */
export function isOrdinary(world: World, { metadata }: PhysicalHost): boolean {
  const { name, annotations, deletionTimestamp } = metadata;
  return annotations?.[ANNOTATION_SERVER] !== undefined && deletionTimestamp === undefined && isSingle(world, name);
}

/** Whether no other host has its address, or had it a moment ago. */
export function isSingle(world: Pick<World, 'copied' | 'isPartOfEdit'>, name: string): boolean {
  return !isCopy(name) && !hasCopy(world, name) && !world.isPartOfEdit(name);
}
