import { spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { World } from './world.ts';

const ROOT = process.cwd();
const PLUGIN = path.join(ROOT, 'cli', 'kubectl-beskar7.mjs');

/** How a call of the plugin ended. */
export interface Called {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A call that goes on. */
export interface Following {
  readonly ended: Promise<Called>;
  /** Resolves when standard output has this; rejects when the call ends without. */
  until(wanted: RegExp): Promise<string>;
  /** Types it at its terminal. */
  type(text: string): void;
  end(): void;
}

/**
 * The real executable, on a PATH as an installation has it, against the cluster and the Temporal of a world. What it
 * writes is searched for secrets at the end of the world.
 */
export class Plugin {
  readonly #world: World;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;

  constructor(world: World) {
    this.#world = world;
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-plugin-'));
    for (const [name, file] of [
      ['kubectl-beskar7', PLUGIN],
      ['kubectl_complete-beskar7', path.join(ROOT, 'cli', 'kubectl_complete-beskar7')],
      ['kubectl', world.plane.kubectl],
      ['temporal', world.plane.temporalCli],
    ] as const)
      symlinkSync(file, path.join(this.folder, name));
    this.env = {
      PATH: [this.folder, path.join(ROOT, 'node_modules', '.bin'), process.env['PATH']].join(path.delimiter),
      HOME: this.folder,
      KUBECONFIG: world.plane.adminKubeconfig,
      TEMPORAL_ADDRESS: world.plane.temporalAddress,
      TEMPORAL_NAMESPACE: world.temporalNamespace,
    };
  }

  /** `kubectl-beskar7 <args> -n <namespace of the world>`. */
  run(...args: string[]): Promise<Called> {
    return this.start(...args).ended;
  }

  /** The same; throws where it does not end well. */
  async out(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`kubectl-beskar7 ${args.join(' ')}: ${code}\n${stdout}\n${stderr}`);
    return stdout;
  }

  async json<T = Record<string, never>>(...args: string[]): Promise<T> {
    return JSON.parse(await this.out(...args, '-o', 'json')) as T;
  }

  start(...args: string[]): Following {
    return this.spawn(path.join(this.folder, 'kubectl-beskar7'), [...args, '-n', this.#world.namespace]);
  }

  /** From now on the context of kubectl has the namespace of the world, as a person would have it. */
  async useNamespace(): Promise<void> {
    const kubeconfig = path.join(this.folder, 'kubeconfig');
    copyFileSync(this.#world.plane.adminKubeconfig, kubeconfig);
    this.env['KUBECONFIG'] = kubeconfig;
    const { code, stderr } = await this.shell(
      `kubectl config set-context --current --namespace=${this.#world.namespace}`,
    );
    if (code !== 0) throw new Error(stderr);
  }

  /** A line of a page, as a shell runs it, in the folder of the plugin. */
  shell(line: string): Promise<Called> {
    return this.spawn('/bin/bash', ['-c', line]).ended;
  }

  /** A line at a terminal; standard output and standard error are one there. */
  atTerminal(line: string, env: NodeJS.ProcessEnv = {}): Following {
    return this.spawn('/usr/bin/script', ['-qec', line, '/dev/null'], { TERM: 'xterm', ...env }, 'pipe');
  }

  spawn(
    file: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    stdin: 'ignore' | 'pipe' = 'ignore',
  ): Following {
    const child = spawn(file, args, {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: [stdin, 'pipe', 'pipe'],
    });
    return this.#followed(child, [path.basename(file), ...args].join(' '));
  }

  #followed(child: ChildProcess, line: string): Following {
    let stdout = '';
    let stderr = '';
    const waiting = new Set<() => void>();
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      for (const look of waiting) look();
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), 90_000);
    const ended = new Promise<Called>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        this.#world.witness.note('what the plugin wrote', { stdout, stderr });
        resolve({ code, stdout, stderr });
      });
    });
    const until = (wanted: RegExp) =>
      new Promise<string>((resolve, reject) => {
        const look = () => {
          if (!wanted.test(stdout)) return;
          waiting.delete(look);
          resolve(stdout);
        };
        waiting.add(look);
        look();
        void ended.then(() => {
          look();
          if (waiting.has(look)) reject(new Error(`${line} ended without ${wanted}:\n${stdout}\n${stderr}`));
        }, reject);
      });
    return { ended, until, type: (text) => void child.stdin?.write(text), end: () => child.kill('SIGTERM') };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
