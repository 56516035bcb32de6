import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Component } from '../../tools/controlplane/component.ts';
import { beskar7Component } from '../../tools/start/processes.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';

export const PROCESS_ROLES = ['controllers', 'worker', 'bmc-worker', 'api'] as const;
export type ProcessRole = (typeof PROCESS_ROLES)[number];

const LAST_LINE = 4_000;
/**
 * The last line of a process that could not start (`workers/main.ts`). It may have answered that it is ready before.
 */
const NOT_STARTED = 'fatal error';

/** A process of Beskar7 ended, and nobody had asked it to. */
export interface UnaskedDeath {
  readonly at: number;
  /**
   * `start`: before it said `runs`. That may be right: where Temporal goes away while the workers are made, the process
   * ends with exit code 1, to be started again. `run`: after that. It never should: what is away then is waited for, as
   * long as it takes.
   */
  readonly during: 'run' | 'start';
  readonly exitCode?: number;
  readonly signal?: string;
  /** Of its log, where an uncaught error and a fatal one are told apart. */
  readonly lastLine: string;
}

/** One Beskar7 process of one role. */
export interface RoleProcess {
  readonly name: string;
  readonly role: ProcessRole;
  readonly component: Component;
  /** Of an `api`: where its callbacks and its boot scripts are served. */
  readonly callbackPort: number;
  readonly bootPort: number;
  readonly metricsPort: number;
  /** `dead` also while it starts. */
  state: 'runs' | 'stopped' | 'dead';
  readonly unaskedDeaths: UnaskedDeath[];
  /** Told after a process died unasked that nobody is starting just now. */
  onUnaskedDeath?: (death: UnaskedDeath) => void;
}

export interface ProcessSetting {
  /** Absent: all of them. */
  readonly namespace: string | undefined;
  readonly temporalAddress: string;
  readonly workflowBundle: string;
  readonly folder: string;
  /** Token of the shipped ServiceAccount. */
  readonly token: string;
  readonly callbackUrl: string;
  /** Where the process reaches the API server. */
  apiServer(process: string): string;
}

/** Short limits, so that a fault does not outlast the run. */
const FLAGS = [
  '--resync=10s',
  '--boot-timeout=90s',
  '--inspection-timeout=60s',
  '--provisioning-timeout=60s',
  '--graceful-shutdown-timeout=3s',
  '--monitor-interval=15s',
  '--boot-by-mac',
];

/** Two processes of each role, not started. */
export async function makeProcesses(setting: ProcessSetting): Promise<RoleProcess[]> {
  const processes: RoleProcess[] = [];
  for (const role of PROCESS_ROLES) {
    for (const number of [1, 2]) processes.push(await makeProcess(role, `${role}-${number}`, setting));
  }
  return processes;
}

async function makeProcess(role: ProcessRole, name: string, setting: ProcessSetting): Promise<RoleProcess> {
  const { namespace, temporalAddress, folder, token, callbackUrl } = setting;
  const [callbackPort = 0, bootPort = 0, metricsPort = 0, healthPort = 0] = await freePorts(4);
  const file = path.join(folder, `${name}.kubeconfig`);
  await writeFile(file, plainKubeconfig(setting.apiServer(name), token), { mode: 0o600 });
  const component = beskar7Component({
    name,
    healthPort,
    logFolder: path.join(folder, 'logs'),
    args: [
      `--roles=${role}`,
      ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
      `--kubeconfig=${file}`,
      `--temporal-address=${temporalAddress}`,
      '--temporal-namespace=beskar7',
      `--callback-bind-address=127.0.0.1:${callbackPort}`,
      `--callback-url=${callbackUrl}`,
      `--boot-bind-address=127.0.0.1:${bootPort}`,
      `--metrics-bind-address=127.0.0.1:${metricsPort}`,
      `--health-bind-address=127.0.0.1:${healthPort}`,
      ...FLAGS,
    ],
    env: { BESKAR7_WORKFLOW_BUNDLE: setting.workflowBundle },
  });
  const process: RoleProcess = {
    name,
    role,
    component,
    callbackPort,
    bootPort,
    metricsPort,
    state: 'dead',
    unaskedDeaths: [],
  };
  component.onDeath((_name, how) => noteDeath(process, how, lastLineOf(component.logFile)));
  return process;
}

/** `how` as `Component` tells it: `exit code 1`, or the name of a signal. */
export function noteDeath(process: RoleProcess, how: string, lastLine: string): void {
  const exitCode = /^exit code (\d+)$/.exec(how)?.[1];
  const isStarting = process.state === 'dead';
  const death: UnaskedDeath = {
    at: Date.now(),
    during: isStarting || lastLine.includes(NOT_STARTED) ? 'start' : 'run',
    ...(exitCode === undefined ? { signal: how } : { exitCode: Number(exitCode) }),
    lastLine,
  };
  process.state = 'dead';
  process.unaskedDeaths.push(death);
  if (!isStarting) process.onUnaskedDeath?.(death);
}

function lastLineOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').pop()?.slice(-LAST_LINE) ?? '';
  } catch {
    return '';
  }
}

/** By plain HTTP, which client-node allows only to those who do not ask for a certificate. */
function plainKubeconfig(server: string, token: string): string {
  const name = 'chaos';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
