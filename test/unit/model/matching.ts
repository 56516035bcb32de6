import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { Matching, type Waiter } from '../../../model/waiters.ts';

export function matching(free: readonly PhysicalHost[], waiters: readonly Waiter[]): Matching {
  return atOnce(Matching.steps(free, waiters));
}

export function matchWaiters(free: readonly PhysicalHost[], waiters: readonly Waiter[]): Beskar7Machine[] {
  return matching(free, waiters).matched;
}

export function spareHosts(free: readonly PhysicalHost[], waiters: readonly Waiter[]): PhysicalHost[] {
  return atOnce(matching(free, waiters).spareSteps(free));
}

/** The same computation in one go, for what is small. */
function atOnce<T>(steps: Iterator<undefined, T, undefined>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
