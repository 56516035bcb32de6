import type { Conversation, Held } from './conversation.ts';
import { pause } from './delay.ts';
import { RedfishError } from './error.ts';
import type { BeforeSend, MutateOptions } from './fence.ts';
import { firstETag, nextETagStyle, sendableETag, type ETagStyle } from './etag.ts';
import { field, linkOf, objectOf, textOf, textsOf, type JsonObject } from './json.ts';
import { isSuccess, namesProperty, type Reply, type Resource } from './reply.ts';
import { powerStateOf, type SystemReader } from './system.ts';
import { followTask } from './task.ts';

/** What the override shall be (DSP2046 ComputerSystem.Boot). */
interface Override {
  readonly enabled: 'Once' | 'Disabled';
  readonly target: 'Pxe' | 'None' | 'Hdd';
}

/** Where the override is read and written: the system itself, or its settings resource. */
interface Place {
  readonly system: Resource;
  readonly settings: Resource | undefined;
}

/** One PATCH that was answered. */
interface Attempt {
  readonly place: Place;
  readonly reply: Reply;
  readonly request: { readonly method: 'PATCH'; readonly path: string };
  readonly etagStyle: ETagStyle;
  readonly sentMode: boolean;
}

/** How the system is read. */
type Look = Pick<MutateOptions, 'signal' | 'identify'>;

const MODE = 'BootSourceOverrideMode';
/** What was read that shortly before is good enough to decide what to PATCH; the outcome is always read anew. */
const MAX_AGE_MS = 2_000;
/** A request that is for a server that is off goes out so soon after that was read, or not at all: the process may have been stopped between. */
const OFF_HOLDS_MS = 10_000;
const MAX_ATTEMPTS = 8;
/** Pauses before the looks at what became of a PATCH. */
const LOOK_AFTER_MS = [0, 500, 1_000, 2_000];

/** The boot override of one system. Learns what its BMC wants, so that later calls need one PATCH. */
export class BootOverride {
  readonly #conversation: Conversation;
  readonly #system: SystemReader;
  #etagStyle: ETagStyle = 'given';
  /** Whether the mode goes with the target: decided by what is advertised, until the BMC wants it always or never. */
  #sendsMode: 'whenDifferent' | 'always' | 'never' = 'whenDifferent';
  #usesSettings = true;
  /** The targets to clear with, the one that worked first. */
  #clearTargets: readonly Override['target'][] = ['None', 'Pxe', 'Hdd'];
  /** What the last reading back saw. */
  #lastRead: Place | undefined;

  constructor(conversation: Conversation, system: SystemReader) {
    this.#conversation = conversation;
    this.#system = system;
  }

  /**
   * Network boot at the next start, once; read back. Some services only know Continuous and show that (sushy-tools, old
   * firmware): it boots as asked, so it counts. Throws `Refused` when the BMC does not offer or does not keep it.
   * False, and nothing is sent, when the server is not off at that very moment: on a running one it would outlive this boot.
   */
  async setPxe(options: MutateOptions): Promise<boolean> {
    const wanted: Override = { enabled: 'Once', target: 'Pxe' };
    const isSet = (boots: readonly JsonObject[]): boolean => boots.some(isOurs);
    let isOff = true;
    await this.#apply(wanted, isSet, options, (place) => {
      isOff = powerStateOf(place.system) === 'Off';
      // A system that shows it needs no request; what a settings resource shows may be left over from an earlier boot.
      const shows = place.settings === undefined && bootsOf(place).some(isOnce) && !this.#modeDiffers(place);
      return !isOff || shows;
    });
    return isOff;
  }

  /** Takes back what `setPxe` set; read back. Sends nothing when no Pxe override is in force. */
  async clear(options: MutateOptions): Promise<void> {
    const isClear = (boots: readonly JsonObject[]): boolean => !boots.some(isOurs);
    const isNeedless = (place: Place): boolean => isClear(bootsOf(place));
    // Strict BMCs want a target with Disabled; iLO refuses None; some ignore Disabled, and need a target that is not the network.
    let refusal: unknown;
    for (const target of this.#clearTargets) {
      try {
        await this.#apply({ enabled: 'Disabled', target }, isClear, options, isNeedless);
        this.#clearTargets = [target, ...this.#clearTargets.filter((other) => other !== target)];
        return;
      } catch (error) {
        if (!(error instanceof RedfishError) || error.kind !== 'Refused') throw error;
        refusal ??= error;
      }
    }
    throw refusal;
  }

  /** PATCHes until the BMC takes it, adapting to each refusal, and reads back until `isDone`. `isNeedless`: nothing is sent. */
  async #apply(
    wanted: Override,
    isDone: (boots: readonly JsonObject[]) => boolean,
    options: MutateOptions,
    isNeedless: (place: Place) => boolean,
  ): Promise<void> {
    const what = `boot override ${wanted.enabled} ${wanted.target}`;
    let maxAgeMs = wanted.enabled === 'Once' ? MAX_AGE_MS : 0;
    for (let attempts = 1; ; attempts += 1) {
      let attempt: Attempt | undefined;
      try {
        attempt = await this.#conversation.change(what, options, async (held) => {
          const place = await this.#locate(held, options, maxAgeMs, wanted.enabled === 'Once');
          maxAgeMs = 0;
          return isNeedless(place) ? undefined : this.#patch(held, place, wanted, options);
        });
        if (attempt === undefined) return;
        if (isSuccess(attempt.reply)) await followTask(this.#conversation, attempt.reply, what, options.signal);
      } catch (error) {
        // The outcome is unknown: the override itself tells it.
        if (!(error instanceof RedfishError) || !error.mayHaveLanded || error.kind === 'Aborted') throw error;
        if (await this.#reads(isDone, options)) return;
        throw error;
      }
      if (!isSuccess(attempt.reply)) {
        this.#adapt(attempt, attempts);
        continue;
      }
      if (await this.#reads(isDone, options)) {
        if (!this.#modeWasLost(attempt, wanted) || attempts >= MAX_ATTEMPTS) return;
      } else if (!this.#modeWasLost(attempt, wanted) || attempts >= MAX_ATTEMPTS) {
        const message = `the BMC ${this.#conversation.config.host} accepted ${what}, but does not show it when read back`;
        throw new RedfishError('Refused', message, { retryable: true });
      }
      this.#sendsMode = 'always';
    }
  }

  /** `isPowerDue`: the system is read again when the settings took long, which they do at some BMCs. */
  async #locate(
    reader: Held | Conversation,
    { signal, identify }: Look,
    maxAgeMs: number,
    isPowerDue = false,
  ): Promise<Place> {
    const system = await this.#system.read(reader, { signal, identify, maxAgeMs });
    const link = linkOf(field(system.json, '@Redfish.Settings', 'SettingsObject'));
    if (link === undefined || !this.#usesSettings) return { system, settings: undefined };
    const settings = await this.#readSettings(reader, link, signal);
    if (settings === undefined) this.#usesSettings = false;
    if (settings === undefined || !isPowerDue) return { system, settings };
    return { system: await this.#system.read(reader, { signal, identify, maxAgeMs: MAX_AGE_MS }), settings };
  }

  /** The settings resource, when it is there and holds the override (AMI, Lenovo). */
  async #readSettings(reader: Held | Conversation, link: string, signal: AbortSignal | undefined) {
    try {
      const settings = await reader.get(this.#conversation.resolve(link), { signal });
      const boot = objectOf(settings.json['Boot']);
      const holdsOverride =
        boot !== undefined && ('BootSourceOverrideTarget' in boot || 'BootSourceOverrideEnabled' in boot);
      return holdsOverride ? settings : undefined;
    } catch (error) {
      if (error instanceof RedfishError && error.kind === 'Protocol') return undefined;
      throw error;
    }
  }

  async #patch(held: Held, place: Place, wanted: Override, options: MutateOptions): Promise<Attempt> {
    const at = place.settings ?? place.system;
    this.#checkOffered(place, wanted);
    // Clearing sends the mode only to a BMC that has refused to do without (newer Supermicro).
    const sentMode = wanted.enabled === 'Once' ? this.#wantsMode(place) : this.#sendsMode === 'always';
    const boot = {
      BootSourceOverrideTarget: wanted.target,
      BootSourceOverrideEnabled: wanted.enabled,
      ...(sentMode ? { [MODE]: this.#conversation.config.bootMode } : {}),
    };
    const etagStyle = firstETag(this.#etagStyle, at.etag);
    const request = {
      method: 'PATCH',
      path: at.path,
      body: { Boot: boot },
      ifMatch: sendableETag(etagStyle, at.etag),
    } as const;
    this.#system.forget();
    const reply = await held.send(request, wanted.enabled === 'Once' ? whileOff(place.system, options) : options);
    const refusal = isSuccess(reply) ? undefined : this.#conversation.refusal(reply, request);
    if (refusal?.kind === 'Busy' || refusal?.mayHaveLanded === true) throw refusal;
    return { place, reply, request, etagStyle, sentMode };
  }

  /** What is not listed is not sent; except None, which may go without saying. */
  #checkOffered(place: Place, wanted: Override): void {
    if (wanted.target === 'None') return;
    const key = 'BootSourceOverrideTarget@Redfish.AllowableValues';
    const offered = bootsOf(place).flatMap((boot) => textsOf(boot[key]) ?? []);
    if (offered.length === 0 || offered.includes(wanted.target)) return;
    const message = `the BMC ${this.#conversation.config.host} offers no boot from ${wanted.target}, only ${offered.join(', ')}`;
    throw new RedfishError('Refused', `${message}: enable network boot in the server's firmware settings`);
  }

  #wantsMode(place: Place): boolean {
    if (this.#sendsMode !== 'whenDifferent') return this.#sendsMode === 'always';
    return this.#modeDiffers(place);
  }

  /** The BMC advertises the mode, offers the wanted one, and has another. Without the attribute (Supermicro X10): false. */
  #modeDiffers(place: Place): boolean {
    const { bootMode } = this.#conversation.config;
    const boots = bootsOf(place);
    const current = boots.flatMap((boot) => textOf(boot[MODE]) ?? [])[0];
    const offered = boots.flatMap((boot) => textsOf(boot[`${MODE}@Redfish.AllowableValues`]) ?? []);
    if (current === undefined && offered.length === 0) return false;
    return current !== bootMode && (offered.length === 0 || offered.includes(bootMode));
  }

  /** Learns from a refusal what to do differently, or throws it. */
  #adapt(attempt: Attempt, attempts: number): void {
    const { reply, request, etagStyle, sentMode } = attempt;
    const refusal = this.#conversation.refusal(reply, request);
    if (attempts >= MAX_ATTEMPTS) throw refusal;
    if (reply.status === 412 || reply.status === 428) {
      const next = nextETagStyle(reply.status, etagStyle, (attempt.place.settings ?? attempt.place.system).etag);
      if (next === undefined) throw refusal;
      this.#etagStyle = next;
      return;
    }
    if (reply.status === 400 && this.#sendsMode === 'whenDifferent' && namesProperty(reply, MODE)) {
      this.#sendsMode = sentMode ? 'never' : 'always';
      return;
    }
    throw refusal;
  }

  /** A PATCH without the mode made the BMC fall back to another one (newer Supermicro): it has to be sent every time. */
  #modeWasLost(attempt: Attempt, wanted: Override): boolean {
    if (wanted.enabled !== 'Once' || attempt.sentMode || this.#sendsMode !== 'whenDifferent') return false;
    return this.#lastRead !== undefined && this.#modeDiffers(this.#lastRead);
  }

  /** Reads the override back, a few times, since some BMCs show it late. */
  async #reads(isDone: (boots: readonly JsonObject[]) => boolean, look: Look): Promise<boolean> {
    const { signal } = look;
    const endMs = performance.now() + this.#conversation.config.callTimeoutMs;
    for (const afterMs of LOOK_AFTER_MS) {
      if (performance.now() + afterMs >= endMs) break;
      if (afterMs > 0) await pause(afterMs, signal, `reading the boot override at ${this.#conversation.config.host}`);
      this.#lastRead = await this.#locate(this.#conversation, look, 0);
      if (isDone(bootsOf(this.#lastRead))) return true;
    }
    return false;
  }
}

/** The options of a request that is sent only while what was read of the system is fresh. */
function whileOff(system: Resource, options: MutateOptions): MutateOptions {
  const fence = async (): Promise<BeforeSend> => {
    const check = await options.fence();
    return () => {
      check();
      if (performance.now() - system.readAtMs < OFF_HOLDS_MS) return;
      throw new RedfishError('Busy', `the server was seen off more than ${OFF_HOLDS_MS / 1000} s ago`);
    };
  };
  return { ...options, fence };
}

/** The Boot objects to look at: what is pending first, then what is in force. */
function bootsOf(place: Place): readonly JsonObject[] {
  return [place.settings, place.system].flatMap<JsonObject>((resource) => objectOf(resource?.json['Boot']) ?? []);
}

function isOnce(boot: JsonObject): boolean {
  return isOurs(boot) && textOf(boot['BootSourceOverrideEnabled']) === 'Once';
}

function isOurs(boot: JsonObject): boolean {
  const enabled = textOf(boot['BootSourceOverrideEnabled']);
  return textOf(boot['BootSourceOverrideTarget']) === 'Pxe' && (enabled === 'Once' || enabled === 'Continuous');
}
