import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS, MACHINES, SECRETS, type Resource, type Secret } from '../../kube/resource.ts';
import type { World } from './world.ts';

/** What a backup tool keeps of a namespace: neither uid, version nor status, and no deletion that was asked for. */
export interface Backup {
  readonly secrets: readonly Secret[];
  readonly hosts: readonly PhysicalHost[];
  readonly machines: readonly Beskar7Machine[];
}

export async function takeBackup({ admin, namespace }: World): Promise<Backup> {
  const [secrets, hosts, machines] = await Promise.all([
    admin.list(SECRETS, { namespace }),
    admin.list(HOSTS, { namespace }),
    admin.list(MACHINES, { namespace }),
  ]);
  return {
    secrets: secrets.items.map(kept),
    hosts: hosts.items.map(kept),
    machines: machines.items.map(kept),
  };
}

/**
 * Takes all objects away as the loss of a cluster does: at once, whatever their finalizers say. Beskar7 is stopped
 * meanwhile.
 */
export async function loseObjects(world: World): Promise<void> {
  const { admin, namespace } = world;
  for (const resource of [SECRETS, HOSTS, MACHINES] as readonly Resource[]) {
    for (const { metadata } of (await admin.list(resource, { namespace })).items)
      await admin.mergePatch(resource, namespace, metadata.name, { metadata: { finalizers: null } });
  }
  await world.kubectl('delete', 'secrets,physicalhosts,beskar7machines', '--all', '--timeout=20s');
}

/** Writes the objects in the order of docs/backup-and-restore.md. They get new uids. */
export async function restore({ admin }: World, { secrets, hosts, machines }: Backup): Promise<void> {
  for (const secret of secrets) await admin.create(SECRETS, secret);
  for (const host of hosts) await admin.create(HOSTS, host);
  for (const machine of machines) await admin.create(MACHINES, machine);
}

function kept<T extends { metadata: PhysicalHost['metadata']; status?: unknown }>(object: T): T {
  const { status: _status, metadata, ...rest } = object;
  const { name, namespace, labels, annotations, finalizers } = metadata;
  return JSON.parse(JSON.stringify({ ...rest, metadata: { name, namespace, labels, annotations, finalizers } })) as T;
}
