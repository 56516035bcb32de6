import path from 'node:path';
import { request } from 'undici';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../workers/nodeFlags.ts';
import { Component } from '../controlplane/component.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

/** A Beskar7 process as `workers/main.ts` runs it; its log is JSON lines in `<logFolder>/<name>.log`. */
export function beskar7Component(options: {
  name?: string;
  args: readonly string[];
  healthPort: number;
  logFolder: string;
  env?: NodeJS.ProcessEnv;
}): Component {
  return new Component(
    {
      name: options.name ?? 'beskar7',
      file: process.execPath,
      args: [...NODE_FLAGS, path.join(ROOT, 'workers', 'main.ts'), ...options.args],
      env: { ...NODE_ENVIRONMENT, ...options.env },
      isReady: () => answers(`http://127.0.0.1:${options.healthPort}/readyz`),
    },
    options.logFolder,
  );
}

export interface FleetFlags {
  readonly hosts: number;
  readonly latency: string;
  readonly bootTime: string;
  readonly basePort: number;
  readonly controlPort: number;
  readonly bootUrl: string;
  readonly username: string;
  readonly password: string;
  readonly stateFile?: string;
}

/** The simulated fleet in a process of its own. */
export function simulatorComponent(flags: FleetFlags, logFolder: string, more: readonly string[] = []): Component {
  return new Component(
    {
      name: 'simulator',
      file: process.execPath,
      args: [
        path.join(ROOT, 'simulator', 'main.ts'),
        `--hosts=${flags.hosts}`,
        `--latency=${flags.latency}`,
        `--boot-time=${flags.bootTime}`,
        `--base-port=${flags.basePort}`,
        `--control-port=${flags.controlPort}`,
        `--boot-url=${flags.bootUrl}`,
        `--username=${flags.username}`,
        `--password=${flags.password}`,
        ...(flags.stateFile === undefined ? [] : [`--state-file=${flags.stateFile}`]),
        ...more,
      ],
      isReady: () => answers(`http://127.0.0.1:${flags.controlPort}/summary`),
    },
    logFolder,
  );
}

async function answers(url: string): Promise<boolean> {
  const { statusCode, body } = await request(url, { headersTimeout: 2_000, bodyTimeout: 2_000 });
  await body.dump();
  return statusCode === 200;
}
