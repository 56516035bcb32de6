import { isClear, isElsewhere, isRefusal, whileOff, type Attempt, type Override, type Task } from './bootAttempt.ts';
import { BootMode, MODE } from './bootMode.ts';
import {
  BootPlaces,
  bootsOf,
  MAX_AGE_MS,
  networkTarget,
  networkTargetOf,
  notOffered,
  type Look,
  type NetworkTarget,
  type Place,
  type Places,
} from './bootPlaces.ts';
import type { Conversation } from './conversation.ts';
import { pause } from './delay.ts';
import { RedfishError } from './error.ts';
import { firstETag, nextETagStyle, sendableETag, type ETagStyle } from './etag.ts';
import type { MutateOptions } from './fence.ts';
import { objectOf, textsOf, type JsonObject } from './json.ts';
import { isAccepted } from './reply.ts';
import type { Held } from './requests.ts';
import { powerStateOf, type SystemReader } from './system.ts';
import { followTask } from './task.ts';

const MAX_ATTEMPTS = 10;
/** Pauses before the looks at what became of a PATCH. */
const LOOK_AFTER_MS = [0, 500, 1_000, 2_000];

/** The boot override of one system. Learns what its BMC wants, so that later calls need one PATCH. */
export class BootOverride {
  readonly #conversation: Conversation;
  readonly #system: SystemReader;
  readonly #places: BootPlaces;
  readonly #mode: BootMode;
  #etagStyle: ETagStyle = 'given';
  /** The targets to clear with, the one that worked first, those that were refused last. */
  #clearTargets: readonly Override['target'][];

  constructor(conversation: Conversation, system: SystemReader) {
    this.#conversation = conversation;
    this.#system = system;
    this.#places = new BootPlaces(conversation, system);
    this.#mode = new BootMode(conversation.config);
    this.#clearTargets = ['None', this.#target, 'Hdd', undefined];
  }

  get #target(): NetworkTarget {
    return networkTarget(this.#conversation.config.networkBoot);
  }

  /** The BMC does not let the mode be chosen that was asked for: the server boots in its own. */
  get isModeRefused(): boolean {
    return this.#mode.isRefused;
  }

  /**
   * Network boot at the next start, once; read back. Some services only know Continuous and show that (sushy-tools, old
   * firmware): it boots as asked, so it counts. Throws `Refused` when the BMC does not offer or does not keep it.
   * False, and nothing is sent, when the server is not off at that very moment: on a running one it would outlive this
   * boot.
   */
  async setNetworkBoot(options: MutateOptions): Promise<boolean> {
    const target = this.#target;
    let isOff = true;
    await this.#apply(options, {
      wanted: { enabled: 'Once', target },
      isDone: (boot) => networkTargetOf(boot) === target,
      isNeedless: ({ system, all }) => {
        isOff = powerStateOf(system) === 'Off';
        // A system that shows it needs no request; what a resource of the future state shows may be left over from an
        // earlier boot.
        const boots = bootsOf(all);
        const isShown = boots.some(
          (boot) => networkTargetOf(boot) === target && boot['BootSourceOverrideEnabled'] === 'Once',
        );
        return !isOff || (all.length === 1 && isShown && this.#mode.forBoot(boots) === undefined);
      },
    });
    return isOff;
  }

  /**
   * Takes a network boot back, whoever has set it; read back where it was written: the system may show it until its
   * next boot. Sends nothing when none is in force. False: nothing was sent. Begins no further try once `callTimeoutMs`
   * are over.
   */
  async clear(options: MutateOptions): Promise<boolean> {
    // Strict BMCs want a target with Disabled; iLO refuses None; some ignore Disabled, and need a target that is not
    // the network; some take Disabled only without a target (community.general 3509).
    const endMs = performance.now() + this.#conversation.config.callTimeoutMs;
    let refusal: RedfishError | undefined;
    for (const target of this.#clearTargets) {
      const others = this.#clearTargets.filter((other) => other !== target);
      try {
        const isSent = await this.#apply(options, {
          wanted: { enabled: 'Disabled', target },
          isDone: isClear,
          isNeedless: ({ all }) => bootsOf(all).every(isClear),
        });
        if (isSent) this.#clearTargets = [target, ...others];
        return isSent;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        this.#clearTargets = [...others, target];
        refusal ??= error;
        // At a slow BMC the next call goes on with the others.
        if (performance.now() >= endMs) break;
      }
    }
    throw (
      refusal ?? new RedfishError('Refused', `the boot override at ${this.#conversation.config.host} was not cleared`)
    );
  }

  /**
   * PATCHes until the BMC takes it, adapting to each refusal, and reads back until it is done. False: it was needless.
   */
  async #apply(options: MutateOptions, task: Task): Promise<boolean> {
    const { enabled, target } = task.wanted;
    const what = `boot override ${[enabled, target].filter(Boolean).join(' ')}`;
    const tried = new Set<Place['name']>();
    const endMs = performance.now() + this.#conversation.config.callTimeoutMs;
    let maxAgeMs = enabled === 'Once' ? MAX_AGE_MS : 0;
    let refusal: RedfishError | undefined;
    /** A place shows what was wanted, and another one still shows the contrary. */
    let isGoodEnough = false;
    for (let attempts = 1; ; attempts += 1) {
      let attempt: Attempt | 'needless' | 'exhausted' | undefined;
      const written: { place?: Place } = {};
      try {
        attempt = await this.#conversation.change(what, options, async (held) => {
          const places = await this.#places.read(held, options, maxAgeMs, enabled === 'Once');
          maxAgeMs = 0;
          if (task.isNeedless(places)) return 'needless';
          const place = places.all.find(({ name }) => !tried.has(name));
          if (place === undefined) return 'exhausted';
          written.place = place;
          return this.#patch(held, places, place, task.wanted, options);
        });
        if (attempt === 'needless') return attempts > 1;
        if (attempt === 'exhausted') {
          if (isGoodEnough) return true;
          throw refusal ?? new RedfishError('Refused', `${what} was not taken by ${this.#conversation.config.host}`);
        }
        if (isAccepted(attempt.reply)) await followTask(this.#conversation, attempt.reply, what, options.signal);
      } catch (error) {
        // The outcome is unknown: the override itself tells it.
        if (!(error instanceof RedfishError) || !error.mayHaveLanded || error.kind === 'Aborted') throw error;
        if (written.place && (await this.#readBack(written.place, task, options)).isDone) return true;
        throw error;
      }
      const { place, places } = attempt;
      if (!isAccepted(attempt.reply)) {
        const refused = this.#adapt(attempt, attempts);
        if (refused === undefined) continue;
        refusal ??= refused;
        this.#places.heed(refused, place);
        tried.add(place.name);
        // At a slow BMC the next call goes on with the other place.
        if (performance.now() >= endMs) throw refusal;
        continue;
      }
      const now = await this.#readBack(place, task, options);
      const before = places.all.filter(({ name }) => name === now.place.name);
      const isModeLost =
        enabled === 'Once' && this.#mode.wasLost(bootsOf(before), bootsOf([now.place]), attempt.sentMode);
      if (isModeLost && attempts < MAX_ATTEMPTS) continue;
      if (now.isDone) {
        this.#places.prefer(place);
        if (enabled === 'Once' || !isElsewhere(attempt, task)) return true;
        isGoodEnough = true;
      }
      const message = `the BMC ${this.#conversation.config.host} accepted ${what}, but does not show it when read back`;
      refusal ??= new RedfishError('Refused', message, { retryable: true });
      tried.add(place.name);
    }
  }

  async #patch(held: Held, places: Places, place: Place, wanted: Override, options: MutateOptions): Promise<Attempt> {
    const { resource } = place;
    const boots = bootsOf(places.all);
    this.#checkOffered(boots, wanted);
    const sentMode = wanted.enabled === 'Once' ? this.#mode.forBoot(boots) : this.#mode.forClear(boots);
    const boot = {
      ...(wanted.target === undefined ? {} : { BootSourceOverrideTarget: wanted.target }),
      BootSourceOverrideEnabled: wanted.enabled,
      ...(sentMode === undefined ? {} : { [MODE]: sentMode }),
    };
    const etagStyle = firstETag(this.#etagStyle, resource.etag);
    const request = {
      method: 'PATCH',
      path: resource.path,
      body: { Boot: boot },
      ifMatch: sendableETag(etagStyle, resource.etag),
    } as const;
    this.#system.forget();
    const reply = await held.send(request, wanted.enabled === 'Once' ? whileOff(places.system, options) : options);
    const refusal = isAccepted(reply) ? undefined : this.#conversation.refusal(reply, request);
    if (refusal?.kind === 'Busy' || refusal?.mayHaveLanded === true) throw refusal;
    return { places, place, reply, request, etagStyle, sentMode };
  }

  /** What is not listed is not sent; except None, which may go without saying. */
  #checkOffered(boots: readonly JsonObject[], { target }: Override): void {
    if (target === undefined || target === 'None') return;
    const offered = boots.flatMap((boot) => textsOf(boot['BootSourceOverrideTarget@Redfish.AllowableValues']) ?? []);
    if (offered.length === 0 || offered.includes(target)) return;
    throw new RedfishError('Refused', `the BMC ${this.#conversation.config.host} ${notOffered(target, offered)}`);
  }

  /**
   * Learns from a refusal what to do differently; gives it when nothing is left to try in this place. Throws what no
   * place can help.
   */
  #adapt(attempt: Attempt, attempts: number): RedfishError | undefined {
    const { reply, request, etagStyle, place } = attempt;
    const refusal = this.#conversation.refusal(reply, request);
    if (attempts >= MAX_ATTEMPTS) throw refusal;
    if (reply.status === 412 || reply.status === 428) {
      const next = nextETagStyle(reply.status, etagStyle, place.resource.etag);
      if (next === undefined) return refusal;
      this.#etagStyle = next;
      return undefined;
    }
    if (refusal.kind !== 'Refused') throw refusal;
    return this.#mode.learn(reply, attempt.sentMode) ? undefined : refusal;
  }

  /**
   * Reads a place that was written, a few times, since some BMCs show it late. Where the system shows a network boot at
   * once, that counts too.
   */
  async #readBack(place: Place, task: Task, look: Look): Promise<{ readonly place: Place; readonly isDone: boolean }> {
    const { signal } = look;
    const { host, callTimeoutMs } = this.#conversation.config;
    const endMs = performance.now() + callTimeoutMs;
    let now = place;
    for (const afterMs of LOOK_AFTER_MS) {
      if (performance.now() + afterMs >= endMs) break;
      if (afterMs > 0) await pause(afterMs, signal, `reading the boot override at ${host}`);
      now = await this.#places.reread(place, look);
      if (task.isDone(objectOf(now.resource.json['Boot']))) return { place: now, isDone: true };
      if (place.name === 'system' || task.wanted.enabled !== 'Once') continue;
      const system = await this.#system.read(this.#conversation, look);
      if (task.isDone(objectOf(system.json['Boot'])))
        return { place: { name: 'system', resource: system }, isDone: true };
    }
    return { place: now, isDone: false };
  }
}
