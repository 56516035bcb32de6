import { condition, sleep } from '@temporalio/workflow';
import type { Inbox } from './inbox.ts';
import { claimEnded, handoverReported, hostAvailable, inspectionReported, osReported } from '../contracts/messages.ts';
import { readClaimSignal } from './readMessages.ts';

/** Claims whose signals are remembered: a run has one at a time, and any client of Temporal may name others. */
const MAX_CLAIMS = 64;
/** So many signals of a claim are handled at once; a run that gets more of them looks once a minute. */
const LOOKS_AT_ONCE = 5;
const LOOK_EVERY_MS = 60_000;

/** How a wait for a signal ended: one came, the time was over first, or the run has to continue in a fresh history. */
export type WaitEnd = 'signalled' | 'timedOut' | 'full';

/**
 * Signals as they came in. They are hints only: whoever waits reads the host object before and after (rule 11).
 * Handlers are set before the first await of the run; signals of other claims are ignored.
 */
export class SignalInbox {
  readonly #last = new Map<string, number>();
  readonly #inbox: Inbox;
  /** Of the claim that is waited for: how often it was looked at, and when last. */
  #looks = { claim: '', count: 0, atMs: 0 };
  #count = 0;
  #wakes = 0;

  constructor(inbox: Inbox) {
    this.#inbox = inbox;
    for (const signal of [inspectionReported, handoverReported, osReported, claimEnded])
      inbox.on(signal, readClaimSignal, ({ claim }) => this.#note(claim));
    inbox.on(
      hostAvailable,
      () => true,
      () => void (this.#wakes += 1),
    );
  }

  /** The number of the last signal of a claim that came in: a later one has a higher number. */
  of(claim: string): number {
    return this.#last.get(claim) ?? 0;
  }

  /**
   * Waits for another signal of the claim, for so long. Each that comes costs the caller a step: after the first ones
   * there is a minute between two, however many come.
   */
  async next(claim: string, seen: number, timeoutMs: number, summary: string): Promise<WaitEnd> {
    const until = Date.now() + timeoutMs;
    const pauseMs = Math.min(timeoutMs, this.#pauseMs(claim));
    if (pauseMs > 0 && !this.#inbox.isFull())
      await sleep(pauseMs, { summary: 'Too many signals: looks once a minute' });
    const isDue = () => this.of(claim) > seen || this.#inbox.isFull();
    const leftMs = until - Date.now();
    if (!isDue() && leftMs > 0) await condition(isDue, leftMs, { summary });
    if (until <= Date.now()) return this.of(claim) > seen ? this.#look(claim) : 'timedOut';
    return this.#inbox.isFull() ? 'full' : this.#look(claim);
  }

  /** The same for a short wait in a run that does not continue: however full its history is. */
  async heard(claim: string, seen: number, timeoutMs: number, summary: string): Promise<void> {
    await condition(() => this.of(claim) > seen, timeoutMs, { summary });
  }

  #look(claim: string): 'signalled' {
    const count = this.#looks.claim === claim ? this.#looks.count + 1 : 1;
    this.#looks = { claim, count, atMs: Date.now() };
    return 'signalled';
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
    this.#count += 1;
    this.#last.delete(claim);
    this.#last.set(claim, this.#count);
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
