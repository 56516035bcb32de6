import { LABEL_CLAIM } from '../crds/names.ts';
import { MACHINES, SECRETS } from '../kube/resource.ts';
import { leftovers } from './claimLedger.ts';
import { NAMESPACE } from './objects.ts';
import { forEachLimited, poll } from './waiting.ts';
import type { World } from './world.ts';

/** How the hosts became free again. */
export interface Release {
  /** From the first deletion until all hosts were free, or to the end of the wait. */
  readonly seconds: number;
  /** How many objects were left behind. */
  readonly leaks: number;
  /** What was left behind, in words. */
  readonly findings: string[];
}

/** How long machines and boot Secrets may outlive the release of the last host. */
const GRACE_MS = 20_000;

/**
 * Deletes all machines, waits by watch until all hosts are Available and unclaimed, and looks for what was left behind.
 */
export async function releaseHosts(world: World): Promise<Release> {
  const { kube, options, hosts, machines, signal } = world;
  const held = new Set([...hosts.objects.keys()]);
  const startedMs = performance.now();
  let freeMs = startedMs;
  for (const [name, host] of hosts.objects) if (leftovers(host).length === 0) held.delete(name);
  hosts.onChange((name, host) => {
    if (host === undefined || leftovers(host).length > 0) return void held.add(name);
    if (held.delete(name) && held.size === 0) freeMs = performance.now();
  });
  await forEachLimited([...machines.objects.keys()], options.concurrency, async (name) => {
    await kube.delete(MACHINES, NAMESPACE, name, { signal });
  });
  const isComplete = await hosts.until(() => held.size === 0, options.timeoutMs / 4, signal);
  const endedMs = isComplete ? freeMs : performance.now();
  const findings = await findLeaks(world);
  return { seconds: (endedMs - startedMs) / 1000, leaks: findings.size, findings: [...findings.values()] };
}

/** Findings by the object that was left behind. The power of the servers is looked at before anything is waited for. */
async function findLeaks(world: World): Promise<Map<string, string>> {
  const findings = new Map<string, string>();
  const add = (object: string, words: readonly string[]) => {
    if (words.length > 0) findings.set(object, [findings.get(object) ?? object, ...words].join(', '));
  };
  for (const server of await world.simulator.hosts()) {
    add(`host ${server.name}`, [
      ...(server.state.power === 'Off' ? [] : [`its server is ${server.state.power}`]),
      ...(server.override.enabled === 'Disabled' ? [] : [`its boot override is ${server.override.enabled}`]),
    ]);
  }
  for (const host of world.hosts.objects.values()) add(`host ${host.metadata.name}`, leftovers(host));
  for (const name of await objectsThatStay(world)) add(name, ['it is still there']);
  return findings;
}

/** Machines, and Secrets of boot tokens, that do not go in the time of grace. */
async function objectsThatStay(world: World): Promise<string[]> {
  const { kube, machines, signal } = world;
  let left: string[] = [];
  const isGone = async () => {
    const secrets = await kube.list(SECRETS, { namespace: NAMESPACE, labelSelector: LABEL_CLAIM, signal });
    const secretNames = secrets.items.map((secret) => `Secret ${secret.metadata.name}`);
    left = [...secretNames, ...[...machines.objects.keys()].map((name) => `machine ${name}`)];
    return left.length === 0 ? true : undefined;
  };
  await poll('clean', isGone, { timeoutMs: GRACE_MS, everyMs: 200, signal }).catch(() => undefined);
  return left;
}
