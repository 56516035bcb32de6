import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { releaseGroup, watchGroup } from '../controlplane/watchdog.ts';

/** How a process ended. */
export interface Ended {
  /** Absent: ended by a signal, or it could not be started. */
  readonly code: number | undefined;
  /**
   * What it and all that it started used, in seconds of one core. Undefined where the system does not tell (Linux
   * does).
   */
  readonly cpuSeconds: number | undefined;
  readonly seconds: number;
  /**
   * Standard output and error in the order in which they came, bounded: the end of it. Empty when it was passed
   * through.
   */
  readonly output: string;
  /** It was ended because it took longer than its limit. */
  readonly isLate: boolean;
}

export interface ProcessOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What it prints is shown as it comes instead of being collected. Standard output goes to standard error. */
  readonly isShown?: boolean;
  /** Standard output is not wanted. */
  readonly isQuiet?: boolean;
  readonly limitMs: number;
  readonly onStart?: (pid: number) => void;
  /** All that was printed so far, at each new piece. */
  readonly onOutput?: (output: string) => void;
}

/** How long a process has after the request to end, until it and its children are killed. */
const GRACE_MS = 20_000;
const POLL_MS = 50;
const KEPT_CHARACTERS = 4_000_000;
/** Ticks of proc_pid_stat(5): 100 a second on every Linux that Node runs on. */
const TICKS = 100;

/**
 * Processes of a run, each the leader of a process group of its own: what it started is ended with it, however this
 * process ends. Programs that a child puts into groups of their own (those of a control plane) end by the watchdog of
 * that child.
 */
export class ProcessGroups {
  readonly #running = new Map<number, Promise<Ended>>();
  /** Leaders of groups that were asked to end. */
  readonly #ending = new Set<number>();
  #isEnding = false;
  #cpuSoFar = cpuOfChildren();

  /** Runs a program to its end. Does not reject; after `endAll` it starts nothing. */
  run(file: string, args: readonly string[], options: ProcessOptions): Promise<Ended> {
    const began = performance.now();
    const never: Ended = { code: undefined, cpuSeconds: undefined, seconds: 0, output: '', isLate: false };
    if (this.#isEnding) return Promise.resolve(never);
    const { isShown = false, isQuiet = false, cwd, env = process.env, limitMs } = options;
    const toUs = isShown ? 2 : 'pipe';
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', isQuiet ? 'ignore' : toUs, toUs] });
    const { pid } = child;
    let output = '';
    const take = (text: string) => {
      output = (output + text).slice(-KEPT_CHARACTERS);
      options.onOutput?.(output);
    };
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', take);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (pid !== undefined) void this.#endGroup(pid, ended);
    }, limitMs);
    let cpuSeconds: number | undefined;
    const ended = new Promise<Ended>((resolve) => {
      const end = (code: number | undefined) => {
        clearTimeout(timer);
        if (pid !== undefined) this.#running.delete(pid);
        if (pid !== undefined && !this.#ending.has(pid)) releaseGroup(pid);
        resolve({ code, cpuSeconds, seconds: (performance.now() - began) / 1000, output, isLate });
      };
      child.once('exit', (code) => {
        cpuSeconds = this.#cpuSince();
        // What it left behind, which may hold the pipes open. Asked to end, it may need a moment to do so in order.
        if (pid !== undefined && !this.#ending.has(pid)) signalGroup(pid, 'SIGKILL');
        setTimeout(() => end(code ?? undefined), 2_000).unref();
      });
      child.once('close', (code) => end(code ?? undefined));
      child.once('error', (error) => {
        take(`${error.message}\n`);
        end(undefined);
      });
    });
    if (pid !== undefined) {
      watchGroup(pid);
      this.#running.set(pid, ended);
      options.onStart?.(pid);
    }
    return ended;
  }

  /** Asks a process that runs, and what it started, to end; kills them when they do not within 20 s. */
  async end(pid: number): Promise<void> {
    const ended = this.#running.get(pid);
    if (ended !== undefined) await this.#endGroup(pid, ended);
  }

  /**
   * Asks everything that runs to end, kills what does not within 20 s, and waits for it. Nothing is started any more.
   */
  async endAll(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([...this.#running].map(([pid, ended]) => this.#endGroup(pid, ended)));
  }

  async #endGroup(pid: number, ended: Promise<unknown>): Promise<void> {
    this.#ending.add(pid);
    const until = performance.now() + GRACE_MS;
    signalGroup(pid, 'SIGTERM');
    while (isAnyoneIn(pid) && performance.now() < until) await delay(POLL_MS);
    signalGroup(pid, 'SIGKILL');
    await ended;
    releaseGroup(pid);
  }

  /** What children that have ended used since this was asked the last time. */
  #cpuSince(): number | undefined {
    const now = cpuOfChildren();
    const before = this.#cpuSoFar;
    this.#cpuSoFar = now;
    return now === undefined || before === undefined ? undefined : now - before;
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is empty.
  }
}

function isAnyoneIn(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}

/**
 * Seconds of one core that children of this process used which have ended, with theirs (proc_pid_stat(5): cutime,
 * cstime).
 */
function cpuOfChildren(): number | undefined {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    // The name, in brackets, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) / TICKS;
  } catch {
    return undefined;
  }
}
