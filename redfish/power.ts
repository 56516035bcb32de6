import type { Conversation } from './conversation.ts';
import { growingPauseMs, pause } from './delay.ts';
import { RedfishError } from './error.ts';
import type { Identify, MutateOptions } from './fence.ts';
import { field, linkOf, listOf, textOf, textsOf } from './json.ts';
import { isAccepted, type Resource } from './reply.ts';
import type { Held, Reader, ReadOptions } from './requests.ts';
import { powerStateOf, type PowerState, type SystemReader } from './system.ts';
import { followTask } from './task.ts';

/** What can be asked of a server's power. `Off` is the surest way off that the BMC offers. */
export type PowerRequest = 'On' | 'ForceOff' | 'GracefulShutdown' | 'Off';

/** How to send it. */
export interface PowerOptions extends MutateOptions {
  /** Also when the server shows that state: what was accepted a moment ago may not show yet. */
  isSentAnyway?: boolean;
}

/** How to wait for a power state. */
export interface WaitOptions {
  timeoutMs: number;
  signal?: AbortSignal;
  identify?: Identify;
  /** Called after each look, with what was seen; undefined when the look failed. */
  onPoll?: (seen: PowerState | undefined) => void;
}

/** ResetTypes (DSP2046 ComputerSystem) that do what is asked, best first. */
const RESET_TYPES: Readonly<Record<PowerRequest | 'Restart', readonly string[]>> = {
  On: ['On', 'ForceOn'],
  ForceOff: ['ForceOff'],
  GracefulShutdown: ['GracefulShutdown'],
  Off: ['ForceOff', 'GracefulShutdown'],
  Restart: ['ForceRestart', 'PowerCycle'],
};

/** States in which a request has nothing left to do. A shutdown that hangs in PoweringOff is still forced off. */
const SETTLED: Readonly<Record<PowerRequest, readonly PowerState[]>> = {
  On: ['On', 'PoweringOn'],
  ForceOff: ['Off'],
  GracefulShutdown: ['Off', 'PoweringOff'],
  Off: ['Off'],
};

/** On may trust what was read that shortly before; for Off the BMC is always asked. */
const ON_MAX_AGE_MS = 2_000;
/** Off and on again: how long to wait for Off in between. */
const OFF_WITHIN_MS = 60_000;

/** The power of one system. */
export class Power {
  readonly #conversation: Conversation;
  readonly #system: SystemReader;
  #actionInfoTypes: { readonly types: readonly string[] | undefined } | undefined;

  constructor(conversation: Conversation, system: SystemReader) {
    this.#conversation = conversation;
    this.#system = system;
  }

  /**
   * Asks for a state unless the server is there already; returns when the BMC accepted it, and never waits for the
   * state. When the outcome of the request is unknown the state is read, and the request not repeated: if it is not as
   * asked, the error is thrown.
   */
  async request(state: PowerRequest, options: PowerOptions): Promise<void> {
    const maxAgeMs = state === 'On' ? ON_MAX_AGE_MS : 0;
    const isShown = (system: Resource): boolean => SETTLED[state].includes(powerStateOf(system));
    await this.#reset(state, options, isShown, maxAgeMs);
  }

  /**
   * Polls at once, then after 0.5 s growing to 5 s; true when seen. Throws when no look at all succeeded, or the
   * credentials are refused.
   */
  async waitFor(state: 'On' | 'Off', options: WaitOptions): Promise<boolean> {
    const { timeoutMs, signal, identify, onPoll } = options;
    const endMs = performance.now() + timeoutMs;
    let failure: RedfishError | undefined;
    let looked = false;
    let lookMs = 0;
    for (let attempt = 0; ; attempt += 1) {
      const remainingMs = Math.max(1, endMs - performance.now());
      const startedMs = performance.now();
      let seen: PowerState | undefined;
      try {
        const look = { signal, identify, timeoutMs: remainingMs };
        seen = powerStateOf(await this.#system.read(this.#conversation, look));
        looked = true;
      } catch (error) {
        if (!(error instanceof RedfishError) || !error.retryable || error.kind === 'Aborted') throw error;
        // A look that only our own end cut short says less than what the BMC answered before.
        if (failure === undefined || error.kind !== 'Timeout') failure = error;
      }
      onPoll?.(seen);
      if (seen === state) return true;
      // The last look needs its time too: it would only break the connection otherwise.
      lookMs = Math.max(lookMs, performance.now() - startedMs);
      const pauseMs = Math.min(growingPauseMs(attempt), endMs - performance.now() - 1.5 * lookMs);
      if (pauseMs <= 0) break;
      await pause(pauseMs, signal, `waiting for power ${state} at ${this.#conversation.config.host}`);
    }
    if (!looked && failure !== undefined) throw failure;
    return false;
  }

  /**
   * Restarts the server, for troubleshooting: ForceRestart → PowerCycle → off and on. A server that is off is switched
   * on.
   */
  async restart(options: MutateOptions): Promise<void> {
    const { signal, identify } = options;
    const system = await this.#system.read(this.#conversation, { signal, identify });
    if (powerStateOf(system) === 'Off') return this.request('On', options);
    const listed = await this.#listedTypes(this.#conversation, system, options);
    if (listed === undefined || RESET_TYPES.Restart.some((type) => listed.includes(type))) {
      await this.#reset('Restart', options, () => false, 0);
      return;
    }
    await this.request('Off', options);
    const wait = { ...(signal ? { signal } : {}), ...(identify ? { identify } : {}) };
    if (!(await this.waitFor('Off', { timeoutMs: OFF_WITHIN_MS, ...wait }))) {
      const message = `the server behind ${this.#conversation.config.host} is still not off ${OFF_WITHIN_MS / 1000} s after it was told to: it was not switched on again`;
      throw new RedfishError('Refused', message, { retryable: true });
    }
    await this.request('On', options);
  }

  async #reset(
    wish: PowerRequest | 'Restart',
    options: PowerOptions,
    isShown: (system: Resource) => boolean,
    maxAgeMs: number,
  ): Promise<void> {
    const { signal, identify, isSentAnyway = false } = options;
    const settled = (system: Resource) => !isSentAnyway && isShown(system);
    const what = `power ${wish}`;
    // Only what was read first may be a moment old: a repeat has to know what became of the request before it.
    let age = maxAgeMs;
    try {
      const reply = await this.#conversation.change(what, options, async (held) => {
        const system = await this.#system.read(held, { signal, identify, maxAgeMs: age });
        age = 0;
        if (settled(system)) return undefined;
        return isShown(system)
          ? this.#postAnyway(held, system, wish, options)
          : this.#post(held, system, wish, options);
      });
      if (reply !== undefined) await followTask(this.#conversation, reply, what, signal);
    } catch (error) {
      if (!(error instanceof RedfishError) || !error.mayHaveLanded || error.kind === 'Aborted') throw error;
      if (!settled(await this.#system.read(this.#conversation, { signal, identify }))) throw error;
    }
  }

  /** Of a state that is shown already. A BMC that says "not in this state" (iLO) means that, and not "later". */
  async #postAnyway(held: Held, system: Resource, wish: PowerRequest | 'Restart', options: MutateOptions) {
    try {
      return await this.#post(held, system, wish, options);
    } catch (error) {
      if (!(error instanceof RedfishError) || error.kind !== 'Busy' || error.mayHaveLanded) throw error;
      throw new RedfishError('Refused', error.message, { status: error.status, messageIds: error.messageIds });
    }
  }

  async #post(held: Held, system: Resource, wish: PowerRequest | 'Restart', options: MutateOptions) {
    const listed = await this.#listedTypes(held, system, options);
    const types = RESET_TYPES[wish].filter((candidate) => listed === undefined || listed.includes(candidate));
    if (types.length === 0) {
      const message = `the BMC ${this.#conversation.config.host} offers no ${RESET_TYPES[wish].join(' or ')}, only ${listed?.join(', ')}`;
      throw new RedfishError('Refused', `${message}: power ${wish} was not sent`);
    }
    const link = linkOf(field(resetAction(system), 'target'));
    const path = this.#conversation.resolve(link ?? `${system.path.replace(/\/+$/, '')}/Actions/ComputerSystem.Reset`);
    let refusal: RedfishError | undefined;
    for (const ResetType of types) {
      // Never If-Match on an action: iDRAC answers 412.
      const request = { method: 'POST', path, body: { ResetType } } as const;
      this.#system.forget();
      const reply = await held.send(request, options);
      if (isAccepted(reply)) return reply;
      const refused = this.#conversation.refusal(reply, request);
      refusal ??= refused;
      // What is listed and refused is no reason to leave the server as it is: the next kind does the same in another
      // way.
      if (refused.kind !== 'Refused' || refused.mayHaveLanded || isOnlyToBeSure(system, wish)) throw refused;
    }
    throw refusal;
  }

  /** AllowableValues, else ActionInfo (read once), else undefined: all are assumed. */
  async #listedTypes(reader: Reader, system: Resource, options: ReadOptions): Promise<readonly string[] | undefined> {
    const action = resetAction(system);
    const inline = textsOf(field(action, 'ResetType@Redfish.AllowableValues'));
    if (inline !== undefined) return inline;
    const link = linkOf(field(action, '@Redfish.ActionInfo'));
    if (link === undefined) return undefined;
    this.#actionInfoTypes ??= { types: await this.#readActionInfo(reader, link, options.signal) };
    return this.#actionInfoTypes.types;
  }

  async #readActionInfo(reader: Reader, link: string, signal: AbortSignal | undefined) {
    try {
      const { json } = await reader.get(this.#conversation.resolve(link), { signal });
      const parameter = listOf(json['Parameters']).find((entry) => textOf(field(entry, 'Name')) === 'ResetType');
      return textsOf(field(parameter, 'AllowableValues'));
    } catch (error) {
      if (error instanceof RedfishError && error.kind === 'Protocol') return undefined;
      throw error;
    }
  }
}

function resetAction(system: Resource): unknown {
  return field(system.json, 'Actions', '#ComputerSystem.Reset');
}

/** The server shows what is asked already: a refusal says so, and no other kind is due. */
function isOnlyToBeSure(system: Resource, wish: PowerRequest | 'Restart'): boolean {
  return wish !== 'Restart' && SETTLED[wish].includes(powerStateOf(system));
}
