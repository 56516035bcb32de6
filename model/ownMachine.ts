import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { ANNOTATION_BLOCK_MOVE, FINALIZER_MACHINE } from '../crds/names.ts';
import { stopOf } from './stops.ts';

/**
 * Whether our finalizer is to be put on a machine that lacks it. One that is being deleted takes none, and one that is
 * moved away needs none.
 */
export function missesFinalizer(machine: Beskar7Machine): boolean {
  const { finalizers = [] } = machine.metadata;
  return !finalizers.includes(FINALIZER_MACHINE) && stopOf(machine, ['Deleting', 'Moving']) === undefined;
}

/**
 * The merge patch for it; `isInFlight`: a run is under way, and `clusterctl move` has to wait. The caller adds uid and
 * resourceVersion.
 */
export function ownMachinePatch(
  { metadata: { finalizers = [] } }: Beskar7Machine,
  isInFlight: boolean,
): { readonly metadata: object } {
  return {
    metadata: {
      finalizers: [...finalizers, FINALIZER_MACHINE],
      ...(isInFlight ? { annotations: { [ANNOTATION_BLOCK_MOVE]: 'true' } } : {}),
    },
  };
}
