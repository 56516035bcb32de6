import type { Hardware } from './hardware.ts';

/** `PowerState` of a ComputerSystem (DSP2046). */
export type Power = 'On' | 'Off' | 'PoweringOn' | 'PoweringOff';

/** The boot override as the BMC keeps it. */
export interface BootOverride {
  target: string;
  enabled: 'Once' | 'Continuous' | 'Disabled';
  mode: string;
}

/** What became of the server, for tests. */
export interface ServerState {
  power: Power;
  /** What runs on it. */
  running: 'nothing' | 'firmware' | 'inspector' | 'os' | 'disk';
  boots: number;
  networkBoots: number;
  scriptsFetched: number;
  reportsSent: number;
  kexecs: number;
}

/** What survives a restart of the simulator. */
export interface KeptState {
  readonly power: Power;
  readonly running: ServerState['running'];
  readonly override?: BootOverride;
  /** It was between power-on and the end of its network boot. */
  readonly isBootingFromNetwork?: boolean;
}

/** `why`: the reset type, `button`, `inspector`, `guest` and so on. */
export interface PowerChange {
  readonly time: string;
  readonly monotonicMs: number;
  readonly power: Power;
  readonly why: string;
}

/** What a BMC has behind it. */
export interface PoweredServer {
  readonly override: BootOverride;
  readonly state: ServerState;
  /** Every change of power with its time. */
  readonly powerLog: PowerChange[];
  readonly console: string[];
  /** What the final OS was given, as base64; empty where that is not known. */
  readonly userData: string;
  readonly hardware: Hardware;
  /** A reset as the BMC takes it; it happens after the power delay. */
  reset(type: string): void;
  /** A person presses the button: at once. */
  press(power: 'On' | 'Off'): void;
  kept(): KeptState;
  restore(state: KeptState): void;
  stop(): void | Promise<void>;
  say(line: string): void;
}
