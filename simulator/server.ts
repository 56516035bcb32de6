import { fetchBootPlan } from './bootScript.ts';
import type { FaultSet } from './faults.ts';
import { architectureReport, NORMAL, SMALL, v42Report, type Hardware } from './hardware.ts';
import { runInspector, wait } from './inspector.ts';
import type { FleetOptions } from './options.ts';
import type { BootOverride, KeptState, Power, PowerChange, PoweredServer, ServerState } from './poweredServer.ts';
import type { Profile } from './profiles.ts';

const CONSOLE_LINES = 200;

/** A server behind a BMC: power that takes time, and what it does when it boots. */
export class SimulatedServer implements PoweredServer {
  readonly override: BootOverride = { target: 'None', enabled: 'Disabled', mode: 'UEFI' };
  readonly state: ServerState = {
    power: 'Off',
    running: 'nothing',
    boots: 0,
    networkBoots: 0,
    scriptsFetched: 0,
    reportsSent: 0,
    kexecs: 0,
  };
  /** Every change of power with its time. */
  readonly powerLog: PowerChange[] = [];
  readonly console: string[] = [];
  /** What the final OS was given. */
  userData = '';
  readonly hardware: Hardware;
  readonly #options: FleetOptions;
  readonly #faults: FaultSet;
  readonly #localAddress: string | undefined;
  readonly #random: () => number;
  readonly #consumesOnce: boolean;
  #session = new AbortController();
  #changing: NodeJS.Timeout | undefined;
  readonly #late = new Set<NodeJS.Timeout>();
  #isNetworkBoot = false;
  /** When the power will be off, while it goes off. */
  #offAtMs = Number.POSITIVE_INFINITY;
  /** It goes off by force, not by a shutdown. */
  #isForcedOff = false;

  constructor(parts: {
    mac: string;
    serial: string;
    profile: Profile;
    options: FleetOptions;
    faults: FaultSet;
    localAddress: string | undefined;
    random: () => number;
  }) {
    this.#options = parts.options;
    this.#faults = parts.faults;
    this.#localAddress = parts.localAddress;
    this.#random = parts.random;
    this.#consumesOnce = parts.profile.consumesOnce;
    const { manufacturer, model } = parts.profile;
    this.hardware = { ...NORMAL, manufacturer, model, serial: parts.serial, mac: parts.mac };
  }

  /** A reset as the BMC takes it; it happens after the power delay. */
  reset(type: string): void {
    if (!this.#isHeard(type)) return;
    if (this.#faults.take('powerStuck') || this.#faults.strikes('powerLost', this.#random)) return;
    switch (type) {
      case 'On':
      case 'ForceOn':
        if (this.#isLate(type)) return;
        return this.#change('PoweringOn', 'On', this.#options.powerDelayMs, type);
      case 'GracefulShutdown':
      case 'ForceOff':
        return this.#off(type);
      default:
        this.#off(type, () => this.#change('PoweringOn', 'On', this.#options.powerDelayMs, type));
    }
  }

  /**
   * Whether a reset changes anything. A command that is repeated does not: a server that goes off slowly is not
   * hastened by it.
   */
  #isHeard(type: string): boolean {
    const { power, running } = this.state;
    const isGoingOff = power === 'PoweringOff';
    switch (type) {
      case 'On':
      case 'ForceOn':
        return power === 'Off';
      case 'GracefulShutdown':
        // Only an operating system hears it.
        return !isGoingOff && (running === 'os' || running === 'disk');
      default:
        // A restart of a server that is off does nothing. Force ends a shutdown that is under way.
        return power !== 'Off' && !(isGoingOff && this.#isForcedOff);
    }
  }

  /** The BMC has queued a power-on, and nothing shows of it yet. */
  #isLate(type: string): boolean {
    const lateMs = this.#faults.take('powerOnLateMs');
    if (lateMs === undefined) return false;
    const come = () => this.state.power === 'Off' && this.#change('PoweringOn', 'On', this.#options.powerDelayMs, type);
    this.#late.add(setTimeout(come, lateMs));
    return true;
  }

  /** A person presses the button: at once. */
  press(power: 'On' | 'Off'): void {
    if (this.state.power === power) return;
    this.#change(power === 'On' ? 'PoweringOn' : 'PoweringOff', power, 0, 'button');
  }

  kept(): KeptState {
    const { power, running } = this.state;
    const isBooting = running === 'firmware' || running === 'inspector';
    const isBootingFromNetwork = isBooting && this.#isNetworkBoot;
    return { power, running, override: { ...this.override }, isBootingFromNetwork };
  }

  /** The state of an earlier process. A server that was in the middle of its network boot does that again. */
  restore({ power, running, override, isBootingFromNetwork }: KeptState): void {
    Object.assign(this.override, override);
    if (power !== 'On' && power !== 'PoweringOn') return;
    this.#set('On', 'restored');
    if (running === 'os' || running === 'disk') this.state.running = running;
    else if (isBootingFromNetwork) this.#start(true);
    else this.#boot();
  }

  stop(): void {
    clearTimeout(this.#changing);
    for (const timer of this.#late) clearTimeout(timer);
    this.#session.abort();
  }

  #off(why: string, then?: () => void): void {
    const isForced = why !== 'GracefulShutdown';
    // A shutdown is as slow, and leaves the fault to the command that takes the power.
    const slowMs = isForced ? this.#faults.take('powerOffMs') : this.#faults.current.powerOffMs;
    const delayMs = slowMs ?? this.#options.powerDelayMs;
    const offAtMs = performance.now() + delayMs;
    this.#isForcedOff = isForced;
    if (this.state.power === 'PoweringOff' && offAtMs >= this.#offAtMs) return;
    this.#offAtMs = offAtMs;
    this.#change('PoweringOff', 'Off', delayMs, why, then);
  }

  #change(during: Power, after: 'On' | 'Off', delayMs: number, why: string, then?: () => void): void {
    clearTimeout(this.#changing);
    const finish = () => {
      this.#set(after, why);
      if (after === 'On') this.#boot();
      then?.();
    };
    if (delayMs <= 0) return finish();
    this.#set(during, why);
    this.#changing = setTimeout(finish, delayMs);
  }

  #set(power: Power, why: string): void {
    this.state.power = power;
    this.powerLog.push({ time: new Date().toISOString(), monotonicMs: performance.now(), power, why });
    if (this.powerLog.length > 1_000) this.powerLog.shift();
    if (power !== 'Off') return;
    this.#session.abort();
    this.state.running = 'nothing';
  }

  #boot(): void {
    const isNetwork = this.override.enabled !== 'Disabled' && this.override.target === 'Pxe';
    if (this.override.enabled === 'Once' && this.#consumesOnce) {
      this.override.enabled = 'Disabled';
      this.override.target = 'None';
    }
    this.#start(isNetwork);
  }

  #start(isNetwork: boolean): void {
    this.#session.abort();
    this.#session = new AbortController();
    const { signal } = this.#session;
    this.state.boots += 1;
    this.state.running = 'firmware';
    this.#isNetworkBoot = isNetwork;
    const booted = isNetwork ? this.#networkBoot(signal) : this.#diskBoot(signal);
    booted.catch((error: unknown) => {
      if (!signal.aborted) this.say(`boot failed: ${(error as Error).message}`);
    });
  }

  async #diskBoot(signal: AbortSignal): Promise<void> {
    await wait(this.#options.bootTimeMs, signal);
    this.state.running = 'disk';
    this.say('boots from disk');
  }

  async #networkBoot(signal: AbortSignal): Promise<void> {
    this.state.networkBoots += 1;
    await wait(this.#options.bootTimeMs, signal);
    const plan = await fetchBootPlan(
      {
        mac: this.hardware.mac,
        bootUrl: this.#options.bootUrl,
        localAddress: this.#localAddress,
        fetched: () => (this.state.scriptsFetched += 1),
        say: (line) => this.say(line),
      },
      signal,
    );
    this.state.running = 'inspector';
    const end = await runInspector(plan, this.#inspectorOptions(), signal);
    if (end.kind === 'kexec') return;
    this.say(`gives up (${end.why}) and powers off`);
    this.#change('PoweringOff', 'Off', 0, 'inspector');
  }

  #kexec(userData: Buffer): void {
    this.userData = userData.toString('base64');
    this.state.kexecs += 1;
    this.state.running = 'os';
    this.say('kexec: the final OS runs');
  }

  #inspectorOptions() {
    const faults = this.#faults;
    const options = this.#options;
    return {
      report: () => {
        this.state.reportsSent += 1;
        if (faults.take('wrongReport')) return { cpus: 'many', memory: [] };
        const hardware = faults.take('smallHardware') ? { ...this.hardware, ...SMALL } : this.hardware;
        return options.reportForm === 'v4.2' ? v42Report(hardware) : architectureReport(hardware);
      },
      bootstrapPollMs: options.bootstrapPollMs,
      osReadyAfterMs: options.osReadyAfterMs,
      localAddress: this.#localAddress,
      provisionFails: () => faults.take('provisionFails'),
      neverReports: () => faults.take('neverReports') === true,
      dropCallback: () => faults.strikes('dropCallbacks', this.#random),
      loseAnswer: () => faults.strikes('loseAnswers', this.#random),
      kexec: (userData: Buffer) => this.#kexec(userData),
      duplicateCallbacks: () => faults.take('duplicateCallbacks') === true,
      delayCallbackMs: () => faults.take('delayCallbacksMs') ?? 0,
      say: (line: string) => this.say(line),
    };
  }

  say(line: string): void {
    this.console.push(`${new Date().toISOString()} ${line}`);
    if (this.console.length > CONSOLE_LINES) this.console.shift();
  }
}
