import type { ConditionPatch } from '../crds/conditions.ts';
import { CONDITIONS } from '../crds/reasons.ts';
import type { MachineDecision } from './machineDecision.ts';
import { SPEC_CHANGE_IGNORED } from './watcherStatus.ts';

/** The conditions that the watcher writes for a decision. */
export function wantedConditions(decision: MachineDecision, isBeforeAnyRun: boolean): ConditionPatch[] {
  const ready = (reason: string, message: string): ConditionPatch[] =>
    isBeforeAnyRun ? [{ type: CONDITIONS.ready, status: 'False', reason, message }] : [];
  switch (decision.kind) {
    case 'paused':
      return [
        { type: CONDITIONS.paused, status: 'True', reason: 'Paused', message: decision.message },
        ...ready('Paused', decision.message),
      ];
    case 'wait':
      return ready(decision.reason, decision.message);
    case 'settled': {
      const { specChangeIgnored: message, lostEnd } = decision;
      if (lostEnd) return ready(lostEnd.reason, lostEnd.message);
      if (message === undefined) return [];
      return [{ type: SPEC_CHANGE_IGNORED, status: 'True', reason: 'AlreadyProvisioned', message }];
    }
    case 'start':
    case 'nothing':
      return [];
  }
}
