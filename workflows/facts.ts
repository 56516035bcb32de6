import { condition } from '@temporalio/workflow';
import type { Inbox } from './inbox.ts';
import { handoverReported, hostAvailable, inspectionReported, osReported } from './messages.ts';
import { readClaimFact } from './readMessages.ts';

/** Claims whose facts are remembered: a run has one at a time, anybody may name others. */
const MAX_CLAIMS = 64;

/**
 * Signals as they came in. They are hints only: whoever waits reads the host object before and after (rule 11). Handlers stand
 * before the first await of the run; facts of other claims are ignored.
 */
export class Facts {
  readonly #last = new Map<string, number>();
  #facts = 0;
  #wakes = 0;

  constructor(inbox: Inbox) {
    for (const signal of [inspectionReported, handoverReported, osReported])
      inbox.on(signal, readClaimFact, ({ claim }) => this.#note(claim));
    inbox.on(
      hostAvailable,
      () => true,
      () => void (this.#wakes += 1),
    );
  }

  /** A mark of the last fact of a claim that has come in: a later one has a higher mark. */
  of(claim: string): number {
    return this.#last.get(claim) ?? 0;
  }

  /** Waits for another fact of the claim; false when the time is over first. */
  next(claim: string, seen: number, timeoutMs: number, summary: string): Promise<boolean> {
    if (this.of(claim) > seen) return Promise.resolve(true);
    if (timeoutMs <= 0) return Promise.resolve(false);
    return condition(() => this.of(claim) > seen, timeoutMs, { summary });
  }

  #note(claim: string): void {
    this.#facts += 1;
    this.#last.delete(claim);
    this.#last.set(claim, this.#facts);
    const [oldest] = this.#last.keys();
    if (this.#last.size > MAX_CLAIMS && oldest !== undefined) this.#last.delete(oldest);
  }

  get wakes(): number {
    return this.#wakes;
  }

  /** Waits until the host watcher has woken this run once more, or for so long where it does not. */
  async nextWake(seen: number, timeoutMs?: number): Promise<void> {
    if (timeoutMs === undefined) return condition(() => this.#wakes > seen);
    await condition(() => this.#wakes > seen, timeoutMs, { summary: 'Looks for a host again' });
  }
}
