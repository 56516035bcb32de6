import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import type { Handled } from '../../model/handled.ts';
import { ANNOTATION_BLOCK_MOVE, ANNOTATION_HANDLED, ANNOTATION_PLAN } from '../../crds/names.ts';
import { missesFinalizer, ownMachinePatch } from '../../model/ownMachine.ts';
import { MACHINES } from '../../kube/resource.ts';
import { pinned, swap } from '../../kube/swap.ts';
import type { RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { readMachine } from '../store/machineStore.ts';

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
  const { machineVersion } = run;
  return swap<
    { readonly version?: string | undefined; readonly live?: Beskar7Machine | undefined },
    string | undefined
  >({
    what: `Beskar7Machine ${namespace}/${name}`,
    start: machineVersion === undefined ? undefined : { version: machineVersion },
    read: async () => {
      const live = await readMachine(deps.kube, run.machine);
      return { version: live?.metadata.resourceVersion, live };
    },
    write: async ({ version, live }, isLive) => {
      // Recreated under its name, or gone; or another run has come to another end.
      if (isLive && (live?.metadata.resourceVersion === undefined || isStillDue?.(live) === false)) return undefined;
      const patched = await deps.kube.mergePatch(MACHINES, namespace, name, {
        metadata: {
          uid,
          resourceVersion: version,
          annotations: {
            [ANNOTATION_HANDLED]: JSON.stringify({ ...handled, of: { namespace, name, uid } } satisfies Handled),
            [ANNOTATION_BLOCK_MOVE]: null,
            [ANNOTATION_PLAN]: null,
          },
        },
        ...(providerID === undefined ? {} : { spec: { providerID } }),
      });
      const whole = providerID === undefined ? patched : await owned(deps, patched);
      return whole.metadata.resourceVersion;
    },
    onGone: () => undefined,
  });
}

/** A provisioned machine without our finalizer would go without its deprovision. The caller repeats a conflict. */
async function owned(deps: Dependencies, machine: Beskar7Machine): Promise<Beskar7Machine> {
  if (!missesFinalizer(machine)) return machine;
  const { namespace, name } = machine.metadata;
  return deps.kube.mergePatch(MACHINES, namespace, name, pinned(machine, ownMachinePatch(machine, false)));
}
