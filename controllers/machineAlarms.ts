import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { findCondition, type ConditionPatch } from '../crds/conditions.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import { claimIn } from '../model/claim.ts';
import type { Informers } from './informers.ts';

/**
 * How long the deletion of a machine may take before it says that it hangs; the alert Beskar7MachineDeletionHangs has
 * the same time.
 */
const HANGS_MS = 30 * 60_000;

/**
 * What a machine says beside its phase and `Ready`, which by the contract of Cluster API tell of its provisioning: that
 * its server is off, as its host says, and that its deletion hangs.
 */
export function machineAlarms(
  { hosts }: Pick<Informers, 'hosts'>,
  machine: Beskar7Machine,
  nowMs: number,
): ConditionPatch[] {
  const { uid, name, deletionTimestamp } = machine.metadata;
  if (deletionTimestamp !== undefined) {
    if (hangsInMs(machine, nowMs) !== 0) return [];
    const ready = findCondition(machine.status?.conditions, CONDITIONS.ready);
    const why = ready?.message ?? `Look at workflow deprovision/${machine.metadata.namespace}/${name}.`;
    const message = `The machine is being deleted since ${deletionTimestamp}. ${why}`;
    return [{ type: CONDITIONS.deletionHangs, status: 'True', reason: ready?.reason ?? 'NotReleased', message }];
  }
  return hosts
    .byIndex('byConsumerUid', uid)
    .flatMap((host): ConditionPatch[] => {
      const off = findCondition(host.status?.conditions, CONDITIONS.unexpectedlyOff);
      if (off?.status !== 'True' || claimIn(host, 'HandedOver') === undefined) return [];
      return [{ type: off.type, status: 'True', reason: off.reason, message: off.message }];
    })
    .slice(0, 1);
}

/** When the deletion of a machine will hang, 0: it does. Undefined: it is not being deleted. */
export function hangsInMs({ metadata }: Beskar7Machine, nowMs: number): number | undefined {
  const since = Date.parse(metadata.deletionTimestamp ?? '');
  return Number.isNaN(since) ? undefined : Math.max(0, since + HANGS_MS - nowMs);
}
