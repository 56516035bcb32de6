import type { PhysicalHost } from '../crds/physicalHost.ts';
import { HOSTS, SECRETS } from '../kube/resource.ts';
import { bmcSecret, hostObject } from './objects.ts';
import { forEachLimited } from './waiting.ts';
import type { World } from './world.ts';

/**
 * Creates the fleet's hosts and waits until all are Available. Returns the seconds since the first creation. Rejects,
 * with the reasons of some, when they are not in time: then there is nothing to provision on.
 */
export async function enrollHosts(world: World, bmc: { username: string; password: string }): Promise<number> {
  const { kube, options, hosts, signal } = world;
  const fleet = await world.simulator.hosts();
  const enrolled = new Set<string>();
  hosts.onChange((name, host) => {
    if (host?.status?.state === 'Available') enrolled.add(name);
  });
  await kube.create(SECRETS, bmcSecret(bmc.username, bmc.password), { signal });
  const startedMs = performance.now();
  await forEachLimited(fleet, options.concurrency, async (server) => {
    await kube.create(HOSTS, hostObject(server), { signal });
  });
  const timeoutMs = options.timeoutMs / 4;
  const isComplete = await hosts.until(() => enrolled.size === fleet.length, timeoutMs, signal);
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  if (!isComplete) {
    const missing = [...hosts.objects.values()].filter((host) => !enrolled.has(host.metadata.name));
    throw new Error(
      `only ${enrolled.size} of ${fleet.length} hosts were Available after ${timeoutMs / 1000} s: ` +
        missing.slice(0, 5).map(reasonOf).join('; '),
    );
  }
  return elapsedSeconds;
}

function reasonOf(host: PhysicalHost): string {
  const told = (host.status?.conditions ?? []).filter((condition) => condition.status !== 'True');
  const words = told.map((condition) => `${condition.type}: ${condition.reason}: ${condition.message}`);
  return `${host.metadata.name} (${host.status?.state ?? 'no state'}) ${words.join(', ') || 'without a condition'}`;
}
