import path from 'node:path';
import type { Ended, ProcessGroups } from './process.ts';

/** Of which control plane: the common one, or that with the core controllers of Cluster API. */
export type PlaneName = 'shared' | 'capi';

/**
 * Environment variable that points tests to a running control plane; test/support/controlPlane.ts reads it.
 */
const HANDOFF = 'BESKAR7_TEST_CONTROL_PLANE';
const LIMIT_MS = 85 * 60_000;

/** A control plane that many runs of Jest use, held by a process of its own. */
export class HeldPlane {
  readonly name: PlaneName;
  readonly #groups: ProcessGroups;
  readonly #root: string;
  #handoff: string | undefined;
  #pid: number | undefined;
  #ended: Promise<Ended> | undefined;

  constructor(name: PlaneName, groups: ProcessGroups, root: string) {
    this.name = name;
    this.#groups = groups;
    this.#root = root;
  }

  /** What the processes of its tests need. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, ...(this.#handoff === undefined ? {} : { [HANDOFF]: this.#handoff }) };
  }

  /** Resolves with nothing when it serves, else with what the process said. */
  async start(): Promise<string | undefined> {
    const script = path.join(this.#root, 'test', 'support', 'holdControlPlane.ts');
    let isReady: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => (isReady = resolve));
    this.#ended = this.#groups.run(process.execPath, [script, this.name], {
      cwd: this.#root,
      limitMs: LIMIT_MS,
      onStart: (pid) => (this.#pid = pid),
      onOutput: (text) => {
        this.#handoff ??= /^ready (.+)$/m.exec(text)?.[1];
        if (this.#handoff !== undefined) isReady();
      },
    });
    await Promise.race([ready, this.#ended]);
    return this.#handoff === undefined ? (await this.#ended).output : undefined;
  }

  /** Stops it in order; gives how its process ended. */
  async stop(): Promise<Ended | undefined> {
    if (this.#pid !== undefined) await this.#groups.end(this.#pid);
    return this.#ended;
  }
}
