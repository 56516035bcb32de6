import type { ConnectionConfig } from './connectionOptions.ts';
import { RedfishError } from './error.ts';
import { textOf, textsOf, type JsonObject } from './json.ts';
import { namesProperty, type Reply } from './reply.ts';

/** The property of `Boot` that chooses the firmware mode of an override (DSP2046, ComputerSystem). */
export const MODE = 'BootSourceOverrideMode';

/**
 * Which `BootSourceOverrideMode` goes with a network boot. None, unless the caller asked for a mode and the server
 * shows another, or the BMC does not do without: iDRAC makes a BIOS job of any mode, iLO refuses it, and a server in
 * Legacy mode does not boot in UEFI. A BMC that wants one always gets what the server shows.
 */
export class BootMode {
  readonly #config: Pick<ConnectionConfig, 'bootMode' | 'host'>;
  /** `required`: the BMC refuses to do without; `kept`: without it the BMC falls back to another mode. */
  #sends: 'whenAsked' | 'required' | 'kept' | 'never' = 'whenAsked';
  /** What the server was in before that. */
  #own: string | undefined;

  constructor(config: Pick<ConnectionConfig, 'bootMode' | 'host'>) {
    this.#config = config;
  }

  /** Whether what was asked for is not sent, since the BMC refuses it: the server boots in its own mode. */
  get isRefused(): boolean {
    return this.#config.bootMode !== undefined && this.#sends === 'never';
  }

  /**
   * The mode to send with a network boot; undefined: none. Throws `Refused` when the mode that was asked for is not
   * offered, or the BMC wants one and shows none.
   */
  forBoot(boots: readonly JsonObject[]): string | undefined {
    const { bootMode, host } = this.#config;
    const shown = shownMode(boots);
    const offered = boots.flatMap((boot) => textsOf(boot[`${MODE}@Redfish.AllowableValues`]) ?? []);
    if (this.#sends === 'never') return undefined;
    if (bootMode !== undefined && offered.length > 0 && !offered.includes(bootMode)) {
      const message = `the BMC ${host} offers no boot mode ${bootMode}, only ${[...new Set(offered)].join(', ')}`;
      throw new RedfishError('Refused', `${message}: correct spec.bootMode, or leave it out for the server's own mode`);
    }
    if (this.#sends !== 'whenAsked') {
      const mode = bootMode ?? this.#own ?? shown;
      if (mode !== undefined) return mode;
      const message = `the BMC ${host} wants a boot mode with each boot override, and shows none`;
      throw new RedfishError('Refused', `${message}: set spec.bootMode to the mode that the server is in`);
    }
    // A BMC that shows no mode at all knows none (Supermicro X10).
    const isKnown = shown !== undefined || offered.length > 0;
    return isKnown && bootMode !== shown ? bootMode : undefined;
  }

  /** The mode to send when an override is taken back: only to a BMC that does not do without (newer Supermicro). */
  forClear(boots: readonly JsonObject[]): string | undefined {
    return this.#sends === 'required' || this.#sends === 'kept'
      ? (this.#config.bootMode ?? shownMode(boots))
      : undefined;
  }

  /** Learns from a refusal: without a mode next time, or with one. False: the mode was not the reason. */
  learn(reply: Reply, sent: string | undefined): boolean {
    if (reply.status >= 500 || this.#sends === 'never' || this.#sends === 'required') return false;
    if (sent !== undefined) {
      // Named or not: some BMCs refuse the request without a word on why (metal-operator 606).
      this.#sends = 'never';
      return true;
    }
    if (!namesProperty(reply, MODE)) return false;
    this.#sends = 'required';
    return true;
  }

  /**
   * A PATCH without the mode made the BMC fall back to another one (newer Supermicro): from now on it is sent every
   * time.
   */
  wasLost(before: readonly JsonObject[], after: readonly JsonObject[], sent: string | undefined): boolean {
    if (sent !== undefined || this.#sends !== 'whenAsked') return false;
    const [was, is] = [shownMode(before), shownMode(after)];
    if (was === undefined || is === undefined || was === is) return false;
    this.#sends = 'kept';
    this.#own = was;
    return true;
  }
}

function shownMode(boots: readonly JsonObject[]): string | undefined {
  return boots.flatMap((boot) => textOf(boot[MODE]) ?? [])[0];
}
