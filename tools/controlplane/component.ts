import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { release, watch } from './watchdog.ts';

/** How to start one program of the control plane. */
export interface ComponentSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Resolves to true when the program serves. */
  isReady(): Promise<boolean>;
}

const READY_MS = 90_000;
const STOP_MS = 15_000;
const POLL_MS = 100;
const LAST_WORDS = 400;
/** A larger log is put aside at the next start. */
const LOG_BYTES = 20_000_000;

/** A program that did not come up: one line that says which, how it ended, and its last words. */
export class StartFailed extends Error {}

/** One running program, its output in `<folder>/<name>.log`. It can be killed and started again, as chaos tests do. */
export class Component {
  readonly name: string;
  readonly logFile: string;
  readonly #spec: ComponentSpec;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #isStopping = false;
  #onDeath: ((name: string, how: string) => void) | undefined;

  constructor(spec: ComponentSpec, logFolder: string) {
    this.#spec = spec;
    this.name = spec.name;
    this.logFile = path.join(logFolder, `${spec.name}.log`);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Called when the program ends without having been asked to. */
  onDeath(listener: (name: string, how: string) => void): void {
    this.#onDeath = listener;
  }

  /** Starts the program and waits until it serves. Rejects with StartFailed when it ends before, or after 90 s. */
  async start(): Promise<void> {
    if ((statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES)
      renameSync(this.logFile, `${this.logFile}.old`);
    const log = openSync(this.logFile, 'a');
    const env = { ...process.env, ...this.#spec.env };
    const child = spawn(this.#spec.file, this.#spec.args, { stdio: ['ignore', log, log], env, detached: true });
    closeSync(log);
    this.#child = child;
    this.#isStopping = false;
    const { pid } = child;
    if (pid !== undefined) watch(pid);
    let ended: string | undefined;
    this.#exited = new Promise((resolve) => {
      const end = (how: string) => {
        ended ??= how;
        if (pid !== undefined) release(pid);
        if (!this.#isStopping) this.#onDeath?.(this.name, how);
        resolve();
      };
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
      child.once('error', (error) => end(error.message));
    });
    await this.#untilReady(() => ended);
  }

  /** Asks the program to end, kills it after 15 s, and waits for its end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Sends a signal; `SIGKILL` waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    if (signal === 'SIGKILL' || signal === 'SIGTERM') this.#isStopping = true;
    this.#child?.kill(signal);
    if (signal === 'SIGKILL') await this.#exited;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async #untilReady(ended: () => string | undefined): Promise<void> {
    const until = Date.now() + READY_MS;
    for (;;) {
      const how = ended();
      if (how !== undefined) throw await this.#startFailed(`ended while it was starting (${how})`);
      if (await this.#spec.isReady().catch(() => false)) return;
      if (Date.now() > until) {
        await this.kill('SIGKILL');
        throw await this.#startFailed(`did not serve within ${READY_MS / 1000} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #startFailed(what: string): Promise<StartFailed> {
    const log = await readFile(this.logFile, 'utf8').catch(() => '');
    const last = log.trimEnd().split('\n').pop()?.slice(-LAST_WORDS) ?? '';
    return new StartFailed(
      `beskar7: ${this.name} ${what}; see ${this.logFile}${last ? `; its last line: ${last}` : ''}`,
    );
  }
}
