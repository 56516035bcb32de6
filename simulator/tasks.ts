const TASK_MS = 50;
const MAX_TASKS = 50;

/** The tasks of one BMC, the newest 50: each runs for a moment, some are not there at first (Dell). */
export class Tasks {
  readonly #missingMs: number;
  readonly #began = new Map<string, number>();
  #made = 0;

  constructor(missingMs: number) {
    this.#missingMs = missingMs;
  }

  /** The id of a new task. */
  start(): string {
    this.#made += 1;
    const id = `JID_${this.#made}`;
    this.#began.set(id, performance.now());
    const [oldest] = this.#began.keys();
    if (this.#began.size > MAX_TASKS && oldest !== undefined) this.#began.delete(oldest);
    return id;
  }

  /** `TaskState` (DSP2046); undefined when there is none, or not yet. */
  stateOf(id: string): 'Running' | 'Completed' | undefined {
    const began = this.#began.get(id);
    if (began === undefined) return undefined;
    const ageMs = performance.now() - began;
    if (ageMs < this.#missingMs) return undefined;
    return ageMs < this.#missingMs + TASK_MS ? 'Running' : 'Completed';
  }
}
