import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { Handled } from '../../model/handled.ts';
import { ANNOTATION_BLOCK_MOVE, ANNOTATION_HANDLED, ANNOTATION_PLAN } from '../../crds/names.ts';
import { missesFinalizer, ownMachinePatch } from '../../model/ownMachine.ts';
import { isConflict, isNotFound } from '../../kube/error.ts';
import { MACHINES } from '../../kube/resource.ts';
import type { RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { readMachine } from '../store/machineStatus.ts';

const CONFLICTS = 8;

/**
 * `handled` first, status after it (rule 9), by compare-and-swap (rule 19) from the version of the run's last write.
 * Returns the machine's new resourceVersion; undefined when it is gone, or after a conflict is not `isStillDue`.
 */
export async function patchMachineEnd(
  deps: Dependencies,
  run: Pick<RunContext, 'machine' | 'machineVersion'>,
  handled: Handled,
  end: { readonly providerID?: string; readonly isStillDue?: (machine: Beskar7Machine) => boolean } = {},
): Promise<string | undefined> {
  const { providerID, isStillDue } = end;
  const { namespace, name, uid } = run.machine;
  let resourceVersion = run.machineVersion;
  for (let conflicts = 0; ; conflicts += 1) {
    if (resourceVersion === undefined) {
      const live = await readMachine(deps.kube, run.machine);
      // Recreated under its name, or gone; or another run has come to another end.
      if (live?.metadata.resourceVersion === undefined || isStillDue?.(live) === false) return undefined;
      resourceVersion = live.metadata.resourceVersion;
    }
    try {
      const patched = await deps.kube.mergePatch(MACHINES, namespace, name, {
        metadata: {
          uid,
          resourceVersion,
          annotations: {
            [ANNOTATION_HANDLED]: JSON.stringify({ ...handled, of: { namespace, name, uid } } satisfies Handled),
            [ANNOTATION_BLOCK_MOVE]: null,
            [ANNOTATION_PLAN]: null,
          },
        },
        ...(providerID === undefined ? {} : { spec: { providerID } }),
      });
      const whole = providerID === undefined ? patched : await owned(deps, patched);
      return whole?.metadata.resourceVersion;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || conflicts >= CONFLICTS) throw error;
      resourceVersion = undefined;
    }
  }
}

/**
 * A provisioned machine without our finalizer would go without its deprovision. Undefined: it is gone; a conflict is
 * the caller's to repeat.
 */
async function owned(deps: Dependencies, machine: Beskar7Machine): Promise<Beskar7Machine | undefined> {
  if (!missesFinalizer(machine)) return machine;
  const { namespace, name, uid, resourceVersion } = machine.metadata;
  const { metadata } = ownMachinePatch(machine, false);
  return deps.kube.mergePatch(MACHINES, namespace, name, { metadata: { ...metadata, uid, resourceVersion } });
}
