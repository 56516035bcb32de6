import { log, setDefaultSignalHandler, setHandler, workflowInfo, type SignalDefinition } from '@temporalio/workflow';
import type { CurrentDetails } from './details.ts';
import { UnreadablePayload } from './payloadConverter.ts';

/** Names of dropped signals that are kept apart; all others count as one. */
const MAX_NAMES = 10;
const MAX_NAME_LENGTH = 60;
/** Temporal takes 10,000 signals in the life of a run; one that waits continues in a fresh history long before. */
const MAX_SIGNALS = 2_000;

/**
 * Signals of one run. A handler never throws: what cannot be used is dropped, logged the first time of its name, and
 * shown in the current details of the run, with how often it came. Make it before the first await of the run.
 */
export class Inbox {
  readonly #details: CurrentDetails;
  readonly #dropped = new Map<string, { count: number; why: string }>();
  #count = 0;

  constructor(details: CurrentDetails) {
    this.#details = details;
    setDefaultSignalHandler((name) => {
      this.#count += 1;
      this.#drop(name, 'runs of this type take no signal of this name');
    });
  }

  /** Has `take` called with what `read` makes of the argument; undefined: it cannot be used. */
  on<T, Args extends unknown[]>(
    signal: SignalDefinition<Args>,
    read: (value: unknown) => T | undefined,
    take: (value: T) => void,
  ): void {
    setHandler(signal, (...args: unknown[]) => {
      this.#count += 1;
      const [value] = args;
      const isUnreadable = value instanceof UnreadablePayload;
      if (isUnreadable) this.#drop(signal.name, value.why);
      const usable = read(isUnreadable ? undefined : value);
      if (usable !== undefined) take(usable);
      else if (!isUnreadable) this.#drop(signal.name, 'its argument is not what this signal carries');
    });
  }

  /** Whether the run should continue in a fresh history: Temporal suggests it, or it was sent very many signals. */
  isFull(): boolean {
    return this.#count >= MAX_SIGNALS || workflowInfo().continueAsNewSuggested;
  }

  /** What was dropped, in a sentence for the operator; undefined: nothing. */
  dropped(): string | undefined {
    if (this.#dropped.size === 0) return undefined;
    return [...this.#dropped].map(([name, { count, why }]) => `\`${name}\` (${count}): ${why}`).join('; ');
  }

  #drop(name: string, why: string): void {
    const shown = /^[\w.-]+$/.test(name) ? name.slice(0, MAX_NAME_LENGTH) : 'another name';
    const key = this.#dropped.has(shown) || this.#dropped.size < MAX_NAMES ? shown : 'others';
    const known = this.#dropped.get(key);
    if (known === undefined) log.warn('a signal cannot be used, it is dropped', { signal: key, why });
    this.#dropped.set(key, { count: (known?.count ?? 0) + 1, why });
    this.#details.note(`**Signals that could not be read**: ${this.dropped() ?? ''}`);
  }
}
