import { condition, setHandler } from '@temporalio/workflow';
import { handoverReported, hostAvailable, inspectionReported, osReported, type ClaimFact } from './messages.ts';

/**
 * Signals as they came in. They are hints only: whoever waits reads the host object before and after (rule 11). Handlers stand
 * before the first await of the run; facts of other claims are ignored.
 */
export class Facts {
  readonly #counts = new Map<string, number>();
  #wakes = 0;

  constructor() {
    const count = ({ claim }: ClaimFact) => void this.#counts.set(claim, this.of(claim) + 1);
    setHandler(inspectionReported, count);
    setHandler(handoverReported, count);
    setHandler(osReported, count);
    setHandler(hostAvailable, () => void (this.#wakes += 1));
  }

  /** How many facts of a claim have come in. */
  of(claim: string): number {
    return this.#counts.get(claim) ?? 0;
  }

  /** Waits for another fact of the claim; false when the time is over first. */
  next(claim: string, seen: number, timeoutMs: number, summary: string): Promise<boolean> {
    if (this.of(claim) > seen) return Promise.resolve(true);
    if (timeoutMs <= 0) return Promise.resolve(false);
    return condition(() => this.of(claim) > seen, timeoutMs, { summary });
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
