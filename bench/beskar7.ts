import { join } from 'node:path';
import { request } from 'undici';
import { freePorts } from '../tools/controlplane/ports.ts';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../workers/nodeFlags.ts';
import { startChild, untilUp, type MeasuredChild } from './childProcess.ts';

export interface Beskar7Spec {
  readonly root: string;
  /** Kubeconfig of the shipped ServiceAccount. */
  readonly kubeconfig: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly ports: Beskar7Ports;
  readonly logFile: string;
  readonly cpuProfile: string | undefined;
  readonly flags: readonly string[];
  /** Flags for Node itself. */
  readonly nodeFlags: readonly string[];
}

export interface Beskar7Ports {
  readonly callback: number;
  readonly boot: number;
  readonly metrics: number;
  readonly health: number;
}

const READY_MS = 120_000;

/** Ports that are free at this moment. */
export async function beskar7Ports(): Promise<Beskar7Ports> {
  const [callback = 0, boot = 0, metrics = 0, health = 0] = await freePorts(4);
  return { callback, boot, metrics, health };
}

/** Starts Beskar7 with all roles in one process and waits until it says that it is ready. */
export async function startBeskar7(spec: Beskar7Spec, signal: AbortSignal): Promise<MeasuredChild> {
  const child = await startChild({
    name: 'Beskar7',
    args: [
      ...NODE_FLAGS,
      ...spec.nodeFlags,
      ...profileFlags(spec.cpuProfile),
      join(spec.root, 'workers/main.ts'),
      ...flagsOf(spec),
    ],
    logFile: spec.logFile,
    cwd: spec.root,
    env: NODE_ENVIRONMENT,
  });
  const isReady = async (): Promise<true> => {
    const url = `http://127.0.0.1:${spec.ports.health}/readyz`;
    const answer = await request(url, { signal: AbortSignal.timeout(5_000) });
    const body = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(body.slice(0, 500));
    return true;
  };
  try {
    await untilUp(child, isReady, { timeoutMs: READY_MS, signal });
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function flagsOf(spec: Beskar7Spec): string[] {
  const { ports } = spec;
  const flags = {
    '--roles': 'all',
    '--kubeconfig': spec.kubeconfig,
    '--temporal-address': spec.temporalAddress,
    '--temporal-namespace': spec.temporalNamespace,
    '--callback-bind-address': `127.0.0.1:${ports.callback}`,
    '--callback-url': `http://127.0.0.1:${ports.callback}`,
    '--boot-bind-address': `127.0.0.1:${ports.boot}`,
    '--metrics-bind-address': `127.0.0.1:${ports.metrics}`,
    '--health-bind-address': `127.0.0.1:${ports.health}`,
  };
  return [...Object.entries(flags).flat(), '--boot-by-mac', ...spec.flags];
}

/** V8's own profiler: it writes one .cpuprofile per thread when the process ends. */
function profileFlags(folder: string | undefined): string[] {
  return folder === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', folder];
}
