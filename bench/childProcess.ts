import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { poll } from './waiting.ts';

const KILL_AFTER_MS = 20_000;

/** A process of ours that is measured from outside, with its output in a file. */
export interface MeasuredChild {
  readonly name: string;
  readonly pid: number;
  /** Rejects when the process ends unexpectedly; never resolves. */
  readonly died: Promise<never>;
  /** SIGTERM, and SIGKILL when that was not enough; resolves when the process is gone. Can be called again. */
  stop(): Promise<void>;
}

export interface ChildSpec {
  readonly name: string;
  /** Arguments of Node: a script and its flags, or Node's own flags first. */
  readonly args: readonly string[];
  readonly logFile: string;
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a script under this same Node. Rejects when it cannot be started. */
export async function startChild(spec: ChildSpec): Promise<MeasuredChild> {
  const log = createWriteStream(spec.logFile, { flags: 'a' });
  const child = spawn(process.execPath, spec.args, {
    cwd: spec.cwd,
    env: { ...quietEnvironment(process.env), ...spec.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  await spawned(child, spec.name);
  // A failure of the bench itself, which skips the orderly end, must not leave the child behind.
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);

  let isStopping = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      process.removeListener('exit', killAtExit);
      log.end();
      resolve();
    });
  });
  const died = exited.then(async (): Promise<never> => {
    if (isStopping) return new Promise(() => undefined);
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    throw new Error(`${spec.name} ended by itself (${how}); its last output: ${await lastLines(spec.logFile)}`);
  });
  died.catch(() => undefined);
  return {
    name: spec.name,
    pid: child.pid ?? 0,
    died,
    stop: async () => {
      isStopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Waits until `ask` answers true. Rejects when the process ends, when the time is over, or when the signal aborts. */
export async function untilUp(
  child: MeasuredChild,
  ask: () => Promise<true | undefined>,
  bounds: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([bounds.signal, over.signal]);
  try {
    await Promise.race([
      poll(`${child.name} is up`, ask, { timeoutMs: bounds.timeoutMs, everyMs: 100, signal }),
      child.died,
    ]);
  } finally {
    over.abort(new Error('no longer awaited'));
  }
}

/**
 * The environment without what would configure Beskar7, Kubernetes or Temporal behind the flags' back; a prebuilt
 * bundle stays.
 */
export function quietEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(environment).filter(
    ([name]) =>
      !/^(BESKAR7_(?!WORKFLOW_BUNDLE$)|TEMPORAL_|KUBE|NODE_OPTIONS$|NODE_V8_COVERAGE$|HTTPS?_PROXY$|ALL_PROXY$)/i.test(
        name,
      ),
  );
  return Object.fromEntries(entries);
}

function spawned(child: ChildProcess, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new Error(`${name} cannot be started: ${cause.message}`, { cause })));
  });
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-5).join(' | ').slice(-1500) || 'none';
}
