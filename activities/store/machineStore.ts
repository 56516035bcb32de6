import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { KubeClient } from '../../kube/client.ts';
import { MACHINES } from '../../kube/resource.ts';
import { find, pinned, swap } from '../../kube/swap.ts';
import type { ObjectRef } from '../../contracts/names.ts';

/** Reads a machine live; undefined when it is gone, or another one has its name now. Throws KubeError. */
export async function readMachine(
  kube: Pick<KubeClient, 'get'>,
  ref: ObjectRef,
  signal?: AbortSignal,
): Promise<Beskar7Machine | undefined> {
  const machine = await find(kube, MACHINES, ref, signal && { signal });
  return machine?.metadata.uid === ref.uid ? machine : undefined;
}

/** A merge patch of a machine's metadata and spec. */
export interface MachinePatch {
  readonly metadata?: object;
  readonly spec?: object;
}

/**
 * Changes a machine's metadata and spec by compare-and-swap: `change` gets the live machine and gives a merge patch, or
 * undefined when there is nothing to do. `start` saves the first read when the caller has just read or written the
 * machine. Gives the machine as it is then; undefined when that very machine is gone. Throws KubeError.
 */
export async function patchMachine(
  kube: Pick<KubeClient, 'get' | 'mergePatch'>,
  ref: ObjectRef,
  change: (machine: Beskar7Machine) => MachinePatch | undefined | Promise<MachinePatch | undefined>,
  start?: Beskar7Machine,
): Promise<Beskar7Machine | undefined> {
  return swap({
    what: `Beskar7Machine ${ref.namespace}/${ref.name}`,
    start,
    read: () => readMachine(kube, ref),
    write: async (machine) => {
      const patch = machine && (await change(machine));
      if (machine === undefined || patch === undefined) return machine;
      return kube.mergePatch(MACHINES, ref.namespace, ref.name, pinned(machine, patch));
    },
    onGone: () => undefined,
  });
}
