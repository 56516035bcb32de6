import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { findCondition, type ConditionPatch } from '../crds/conditions.ts';
import { CONDITIONS, type WaitReason } from '../crds/reasons.ts';
import { MACHINES } from '../kube/resource.ts';
import type { ObjectRef } from '../contracts/names.ts';
import type { WatcherDeps, WatcherTiming } from './watcherDeps.ts';
import { areUpToDate, applyConditions } from './watcherStatus.ts';

/** A run that finds its machine gone ends within moments; after this it is reported. */
const REPORT_AFTER_MS = 10_000;
const REASON = 'WaitingForEarlierRun' satisfies WaitReason;

/**
 * Machines whose start is held up by the open run of an earlier machine of their name (rule 10): restored ones, or made
 * again.
 */
export class EarlierRuns {
  readonly #deps: Pick<WatcherDeps, 'kube' | 'starter' | 'recorder'>;
  readonly #timing: Pick<WatcherTiming, 'resyncMs'>;
  /** By uid of the machine that has to wait. */
  readonly #held = new Map<string, { sinceMs: number; nextWakeMs: number; hasEvent: boolean }>();

  constructor(deps: Pick<WatcherDeps, 'kube' | 'starter' | 'recorder'>, timing: Pick<WatcherTiming, 'resyncMs'>) {
    this.#deps = deps;
    this.#timing = timing;
  }

  /**
   * Wakes the earlier run, which may wait for a host without a timer: it reads that its machine is gone, and ends. When
   * it does not end, since it has a host to release or no worker runs, that is reported on the machine: as its
   * condition where no run of its own has written one, and as an event.
   */
  async holdUp(machine: Beskar7Machine, ref: ObjectRef, run: 'provision' | 'deprovision'): Promise<void> {
    const now = performance.now();
    const held = this.#held.get(ref.uid) ?? { sinceMs: now, nextWakeMs: now, hasEvent: false };
    this.#held.set(ref.uid, held);
    if (run === 'provision' && now >= held.nextWakeMs) {
      await this.#deps.starter.signalHostAvailable(ref);
      held.nextWakeMs = now + this.#timing.resyncMs;
    }
    if (now - held.sinceMs < REPORT_AFTER_MS) return;
    const message = messageOf(run, ref);
    await this.#report(machine, run, message);
    if (held.hasEvent) return;
    this.#deps.recorder.event(machine, 'Warning', REASON, message);
    held.hasEvent = true;
  }

  forget(uid: string): void {
    this.#held.delete(uid);
  }

  /** At each look, not once: while the machine is paused that is what it says, and this when it continues. */
  async #report(machine: Beskar7Machine, run: 'provision' | 'deprovision', message: string): Promise<void> {
    const ready: ConditionPatch = { type: CONDITIONS.ready, status: 'False', reason: REASON, message };
    const { workflow, conditions } = machine.status ?? {};
    const isOurs = workflow === undefined && run === 'provision';
    // What a watcher says is written as a whole.
    const isPaused = findCondition(conditions, CONDITIONS.paused)?.status === 'True';
    if (!isOurs || isPaused || areUpToDate(conditions, [ready], [ready.type])) return;
    await applyConditions(this.#deps.kube, MACHINES, machine, [ready], { phase: 'Pending' });
  }
}

function messageOf(run: 'provision' | 'deprovision', { namespace, name }: ObjectRef): string {
  const id = `${run}/${namespace}/${name}`;
  return (
    `The run ${id} is still open for an earlier machine of this name: this one starts when it has ended, which it does by itself, ` +
    `after the release of a host that it holds. What it waits for: temporal workflow describe -w ${id}`
  );
}
