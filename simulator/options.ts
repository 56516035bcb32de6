import type { VmOptions } from './vm/options.ts';

/** How a simulated fleet is made. Durations in milliseconds. */
export interface FleetOptions {
  readonly hosts: number;
  /** How long a BMC takes before it answers. */
  readonly latencyMs: number;
  /** From power-on until the firmware has done DHCP. */
  readonly bootTimeMs: number;
  /** How long power takes to change. */
  readonly powerDelayMs: number;
  readonly bind: string;
  /** BMC i (from 1) listens on this port + i; 0: any free ports. */
  readonly basePort: number;
  /** In place of `basePort`: the port of each BMC, for those that have to get it again after it was closed. */
  readonly ports?: readonly number[];
  /** What the DHCP server hands out; `${netX/mac}` is replaced. */
  readonly bootUrl: string;
  readonly profile: string;
  readonly username: string;
  readonly password: string;
  /** Between two polls of bootstrap data. */
  readonly bootstrapPollMs: number;
  /** Each server fetches its script and calls from a loopback address of its own (127.x.y.z; Linux only). */
  readonly ownSourceAddresses: boolean;
  /** How long after kexec the final OS reports in; absent: it does not. */
  readonly osReadyAfterMs?: number;
  readonly reportForm: 'architecture' | 'v4.2';
  readonly seed: number;
  /** Power states and boot overrides survive a restart in this file. */
  readonly stateFile?: string;
  /** The servers are virtual machines (QEMU) and not simulated. */
  readonly vm?: VmOptions;
}

/** Most servers of a fleet. */
export const MAX_HOSTS = 20_000;

/** A fleet without flags. */
export const DEFAULTS: FleetOptions = {
  hosts: 5,
  latencyMs: 20,
  bootTimeMs: 1_000,
  powerDelayMs: 200,
  bind: '127.0.0.1',
  basePort: 18_000,
  bootUrl: 'http://127.0.0.1:8083/api/v1/boot?mac=${netX/mac}',
  profile: 'mixed',
  username: 'admin',
  password: 'simulated',
  bootstrapPollMs: 5_000,
  ownSourceAddresses: false,
  reportForm: 'architecture',
  seed: 1,
};

/** A duration as `durationMs` reads it. */
export function durationText(ms: number): string {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1_000 && ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

/** Milliseconds of `20ms`, `1s` or `2m`. Throws for anything else. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (!match) throw new Error(`"${text}" is no duration: give a number with ms, s or m, for example 20ms`);
  const factor = match[2] === 'ms' ? 1 : match[2] === 's' ? 1_000 : 60_000;
  return Number(match[1]) * factor;
}
