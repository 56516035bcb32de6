import type { ConditionPatch } from '../crds/conditions.ts';
import { CONDITIONS } from '../crds/reasons.ts';

/** The condition of a host whose BMC keeps a network boot; `why` says what became of clearing it. */
export function overrideLeft(why: string): ConditionPatch {
  return {
    type: CONDITIONS.bootOverrideLeft,
    status: 'True',
    reason: 'NotCleared',
    message:
      `${why}. Its server may boot from the network at its next power-on: it gets no boot script then unless a machine has claimed it, and the next claim ` +
      'sets its own network boot. Clear it at the BMC (boot override, one-time boot) to be rid of this message before that.',
  };
}
