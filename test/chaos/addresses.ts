import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { isNotFound } from '../../kube/error.ts';
import { HOSTS } from '../../kube/resource.ts';
import { isOrdinary } from './copies.ts';
import type { Random } from './random.ts';
import type { ChaosWorld, EditedHost } from './world.ts';

type World = Pick<ChaosWorld, 'admin' | 'kubernetes' | 'copied' | 'edited' | 'isPartOfEdit' | 'namespace'>;
type Connection = PhysicalHost['spec']['redfishConnection'];

/**
 * Gives a free host the BMC address of another one's server, as somebody does who corrects the wrong line, or takes
 * that back. Its server was enrolled under the old address, so until it is enrolled again nothing it had counts. False:
 * there was none.
 */
export async function editAddress(world: World, random: Random): Promise<false | string> {
  const { edited, kubernetes } = world;
  const wrong = random.chance(0.5) ? random.pick([...edited.keys()]) : undefined;
  if (wrong !== undefined) {
    await restore(world, wrong);
    return 'correctAddress';
  }
  const hosts = [...kubernetes.hosts.values()].filter((candidate) => isOrdinary(world, candidate));
  const host = random.pick(hosts.filter(({ spec }) => spec.consumerRef === undefined));
  const other = random.pick(hosts.filter((candidate) => candidate !== host));
  if (host === undefined || other === undefined) return false;
  const { address, credentialsSecretRef } = other.spec.redfishConnection;
  // Before, since it may be so although the answer is lost.
  edited.set(host.metadata.name, { connection: host.spec.redfishConnection, of: other.metadata.name });
  // Refused where it was claimed meanwhile: it is counted as not done then.
  await patch(world, host.metadata.name, { address: `${address}//redfish/v1/`, credentialsSecretRef });
  return 'editAddress';
}

/** Every host has its own address again. */
export async function restoreAddresses(world: World): Promise<void> {
  for (const name of world.edited.keys()) await restore(world, name);
}

async function restore(world: World, name: string): Promise<void> {
  const {
    connection: { address, credentialsSecretRef },
  } = world.edited.get(name) as EditedHost;
  try {
    await patch(world, name, { address, credentialsSecretRef });
  } catch (error) {
    // It was deleted, and comes back with its own address.
    if (!isNotFound(error)) throw error;
  }
  world.edited.delete(name);
}

async function patch({ admin, namespace }: World, name: string, redfishConnection: Partial<Connection>): Promise<void> {
  await admin.mergePatch(HOSTS, namespace, name, { spec: { redfishConnection } });
}
