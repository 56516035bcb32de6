import { condition, sleep } from '@temporalio/workflow';
import type { Inbox } from './inbox.ts';
import { claimEnded, handoverReported, hostAvailable, inspectionReported, osReported } from '../contracts/messages.ts';
import { readClaimFact } from './readMessages.ts';

/** Claims whose facts are remembered: a run has one at a time, anybody may name others. */
const MAX_CLAIMS = 64;
/** So many facts of a claim are looked at as they come; who is told more often looks once a minute. */
const LOOKS_AT_ONCE = 5;
const LOOK_EVERY_MS = 60_000;

/** How a wait for a fact ended: one came, the time was over first, or the run has to continue in a fresh history. */
export type Told = 'told' | 'over' | 'full';

/**
 * Signals as they came in. They are hints only: whoever waits reads the host object before and after (rule 11).
 * Handlers stand before the first await of the run; facts of other claims are ignored.
 */
export class Facts {
  readonly #last = new Map<string, number>();
  readonly #inbox: Inbox;
  /** Of the claim that is waited for: how often it was looked at, and when last. */
  #looks = { claim: '', count: 0, atMs: 0 };
  #facts = 0;
  #wakes = 0;

  constructor(inbox: Inbox) {
    this.#inbox = inbox;
    for (const signal of [inspectionReported, handoverReported, osReported, claimEnded])
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

  /**
   * Waits for another fact of the claim, for so long. Each that comes costs the caller a step: after the first ones
   * there is a minute between two, however often the run is told.
   */
  async next(claim: string, seen: number, timeoutMs: number, summary: string): Promise<Told> {
    const until = Date.now() + timeoutMs;
    const pauseMs = Math.min(timeoutMs, this.#pauseMs(claim));
    if (pauseMs > 0 && !this.#inbox.isFull()) await sleep(pauseMs, { summary: 'Told very often: looks once a minute' });
    const isDue = () => this.of(claim) > seen || this.#inbox.isFull();
    const leftMs = until - Date.now();
    if (!isDue() && leftMs > 0) await condition(isDue, leftMs, { summary });
    if (until <= Date.now()) return this.of(claim) > seen ? this.#look(claim) : 'over';
    return this.#inbox.isFull() ? 'full' : this.#look(claim);
  }

  /** The same for a short wait in a run that does not continue: however full its history is. */
  async heard(claim: string, seen: number, timeoutMs: number, summary: string): Promise<void> {
    await condition(() => this.of(claim) > seen, timeoutMs, { summary });
  }

  #look(claim: string): 'told' {
    const count = this.#looks.claim === claim ? this.#looks.count + 1 : 1;
    this.#looks = { claim, count, atMs: Date.now() };
    return 'told';
  }

  #pauseMs(claim: string): number {
    if (this.#looks.claim !== claim || this.#looks.count < LOOKS_AT_ONCE) return 0;
    return this.#looks.atMs + LOOK_EVERY_MS - Date.now();
  }

  /** Whether the run should continue in a fresh history. */
  isFull(): boolean {
    return this.#inbox.isFull();
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
