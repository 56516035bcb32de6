import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { MACHINES } from '../kube/resource.ts';
import { machineObject } from './objects.ts';
import { forEachLimited } from './waiting.ts';
import type { World } from './world.ts';

/** How the machines became Provisioned. */
export interface Provisioning {
  /** Per machine that got there, from its own creation. */
  readonly readySeconds: number[];
  /** From the first creation to the last Provisioned, or to the end of the wait when one is missing. */
  readonly seconds: number;
  readonly notReady: number;
  /** Some of those that are not ready, with their reasons. */
  readonly findings: string[];
}

const FINDINGS_MAX = 10;

/**
 * Creates all machines and waits, by watch, until as many are Provisioned as there are BMCs that answer, or the stage's
 * share of the time is over.
 */
export async function provisionMachines(world: World): Promise<Provisioning> {
  const { kube, options, machines, signal } = world;
  const createdMs = new Map<string, number>();
  const readyMs = new Map<string, number>();
  machines.onChange((name, machine) => {
    if (machine?.status?.phase === 'Provisioned' && !readyMs.has(name)) readyMs.set(name, performance.now());
  });
  const wanted = Array.from({ length: options.machines }, (_, index) => machineObject(index + 1));
  const startedMs = performance.now();
  await forEachLimited(wanted, options.concurrency, async (machine) => {
    createdMs.set(machine.metadata.name, performance.now());
    await kube.create(MACHINES, machine, { signal });
  });
  const expected = wanted.length - options.hanging;
  const isComplete = await machines.until(() => readyMs.size >= expected, (options.timeoutMs * 3) / 8, signal);
  const endedMs = isComplete ? Math.max(...readyMs.values()) : performance.now();
  const missing = [...machines.objects.values()].filter((machine) => !readyMs.has(machine.metadata.name));
  return {
    readySeconds: [...readyMs].map(([name, at]) => (at - (createdMs.get(name) ?? startedMs)) / 1000),
    seconds: (endedMs - startedMs) / 1000,
    notReady: Math.max(0, expected - readyMs.size),
    findings: (isComplete ? [] : missing).slice(0, FINDINGS_MAX).map(reasonOf),
  };
}

function reasonOf(machine: Beskar7Machine): string {
  const told = (machine.status?.conditions ?? []).filter((condition) => condition.status !== 'True');
  const words = told.map((condition) => `${condition.type}: ${condition.reason}: ${condition.message}`);
  return `machine ${machine.metadata.name} is not Provisioned (${machine.status?.phase ?? 'no phase'}): ${words.join(', ')}`;
}
