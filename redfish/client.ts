import { BootOverride } from './bootOverride.ts';
import { checkConnection, type RedfishConnectionOptions } from './connectionOptions.ts';
import { Conversation } from './conversation.ts';
import { RedfishError } from './error.ts';
import type { Identify, MutateOptions } from './fence.ts';
import { readNetwork, type NetworkAddress, type NetworkInventory } from './network.ts';
import { Power, type PowerOptions, type PowerRequest, type WaitOptions } from './power.ts';
import { powerStateOf, systemInfoOf, SystemReader, type PowerState, type SystemInfo } from './system.ts';

/**
 * What cancels a read, and how long each of its requests may take with all repeats (default: the hard deadline of a
 * call).
 */
export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Compares the server on each read of the system. */
  identify?: Identify;
}

/** How long `close` lets running calls finish. */
const CLOSE_WITHIN_MS = 5_000;

/**
 * One server's BMC, over Redfish (DSP0266), without code per vendor: it adapts to what the BMC advertises. Every method
 * rejects with `RedfishError` only; every HTTP call has the hard deadline `callTimeoutMs`; every request that changes
 * something passes the fence that its caller gives. One client is for many calls: it keeps the connection, the session
 * and what it learned about the BMC.
 */
export class RedfishClient {
  readonly #conversation: Conversation;
  readonly #system: SystemReader;
  readonly #power: Power;
  readonly #bootOverride: BootOverride;
  readonly #running = new Set<Promise<unknown>>();
  #lastUsedMs = performance.now();
  #closing: Promise<void> | undefined;

  /** Connects at the first call. Throws a `RedfishError` when the options cannot be used. */
  constructor(options: RedfishConnectionOptions) {
    this.#conversation = new Conversation(checkConnection(options));
    this.useCredentials(options);
    this.#system = new SystemReader(this.#conversation);
    this.#power = new Power(this.#conversation, this.#system);
    this.#bootOverride = new BootOverride(this.#conversation, this.#system);
  }

  /**
   * Names the state of the Secret that the credentials are from, and what is recorded of it: as in
   * `RedfishConnectionOptions`.
   */
  useCredentials({ credentialsVersion = '', acceptedVersion }: Partial<RedfishConnectionOptions>): void {
    this.#conversation.credentials.version = credentialsVersion;
    this.#conversation.credentials.vouch(acceptedVersion);
  }

  /**
   * The state of the Secret (`credentialsVersion`) whose credentials the BMC has accepted last, to be recorded;
   * undefined: it has not accepted them, or has refused them since.
   */
  get acceptedVersion(): string | undefined {
    return this.#conversation.credentials.acceptedVersion;
  }

  /** No call runs, and the last one ended so long ago; 0 while one runs. */
  get idleMs(): number {
    return this.#running.size > 0 ? 0 : performance.now() - this.#lastUsedMs;
  }

  /**
   * Lets running calls end (5 s at most), logs the session out, and closes the connection. Never throws; later calls
   * fail.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What the BMC says about the server. */
  getSystemInfo(options: CallOptions = {}): Promise<SystemInfo> {
    return this.#run(async () => systemInfoOf(await this.#system.read(this.#conversation, options)));
  }

  /** The power state, read now. */
  getPowerState(options: CallOptions = {}): Promise<PowerState> {
    return this.#run(async () => powerStateOf(await this.#system.read(this.#conversation, options)));
  }

  /**
   * Asks for a power state; returns when the BMC accepted it (and its task ended), never waits for the state: use
   * `waitForPowerState`. Sends nothing when the server is there already, unless `isSentAnyway`. Throws `Refused` when
   * the BMC does not list what is needed: for `GracefulShutdown` continue with `Off`, which is ForceOff where the BMC
   * has it.
   */
  setPowerState(state: PowerRequest, options: PowerOptions): Promise<void> {
    return this.#run(() => this.#power.request(state, options));
  }

  /**
   * Polls until the state is seen (true) or the time is over (false). Failed looks are looked past; throws when the
   * credentials are refused, when the system is not to be found, and when no look at all succeeded.
   */
  waitForPowerState(state: 'On' | 'Off', options: WaitOptions): Promise<boolean> {
    return this.#run(() => this.#power.waitFor(state, options));
  }

  /**
   * Network boot (PXE, or HTTP where the connection says so) at the next start, once; returns when the BMC shows it on
   * reading back. Only of a server that is off: false when it does not show Off, and then nothing was sent (the
   * override would be for the start after the one that is under way).
   */
  setBootSourcePXE(options: MutateOptions): Promise<boolean> {
    return this.#run(() => this.#bootOverride.setNetworkBoot(options));
  }

  /**
   * The BMC does not let the boot mode be chosen that was asked for; known after `setBootSourcePXE`. The server boots
   * in its own mode.
   */
  get isBootModeRefused(): boolean {
    return this.#bootOverride.isModeRefused;
  }

  /**
   * Takes back a network boot; returns when the BMC shows none where that was written (the system itself may show it
   * until its next boot). False, and nothing is sent, when there is none.
   */
  clearBootOverride(options: MutateOptions): Promise<boolean> {
    return this.#run(() => this.#bootOverride.clear(options));
  }

  /**
   * Restarts the server, for troubleshooting only (rule 5: provisioning never restarts): ForceRestart → PowerCycle →
   * off and on.
   */
  reset(options: MutateOptions): Promise<void> {
    return this.#run(() => this.#power.restart(options));
  }

  /** MAC and IP addresses of the server's interfaces as far as the BMC tells them; empty when it does not. */
  async getNetworkAddresses(options: CallOptions = {}): Promise<NetworkAddress[]> {
    return (await this.readNetwork(options)).interfaces;
  }

  /** The same, with why something could not be read. `timeoutMs` is for all of it. */
  readNetwork(options: CallOptions = {}): Promise<NetworkInventory> {
    return this.#run(() => readNetwork(this.#conversation, this.#system, options));
  }

  async #run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) {
      const message = `the client of the BMC ${this.#conversation.config.host} was closed: its credentials changed, or the process ends`;
      throw new RedfishError('Aborted', message);
    }
    const running = call();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
      this.#lastUsedMs = performance.now();
    }
  }

  async #close(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_WITHIN_MS);
    await Promise.race([Promise.allSettled(this.#running), late]);
    clearTimeout(timer);
    if (this.#running.size > 0) this.#conversation.abandon();
    await this.#conversation.close();
  }
}
