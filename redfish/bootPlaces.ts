import type { Conversation } from './conversation.ts';
import { RedfishError } from './error.ts';
import type { MutateOptions } from './fence.ts';
import { field, linkOf, objectOf, textOf, type JsonObject } from './json.ts';
import type { Resource } from './reply.ts';
import type { Reader } from './requests.ts';
import type { SystemReader } from './system.ts';

/** How a place is read. */
export type Look = Pick<MutateOptions, 'signal' | 'identify'>;

/**
 * Where a boot override is read and written: the system itself, or the resource of its future state
 * (`@Redfish.Settings`, DSP0266 §"Settings resource"), whose values some BMCs take over at the next boot only.
 */
export interface Place {
  readonly name: 'system' | 'future';
  readonly resource: Resource;
}

/** What was read of them. */
export interface Places {
  readonly system: Resource;
  /** In the order in which they are to be written; the system is one of them. */
  readonly all: readonly Place[];
}

/** What was read that shortly before is good enough to decide what to PATCH. */
export const MAX_AGE_MS = 2_000;
/**
 * What AMI's firmware says at the system when the override is changed at the resource of the future state (omni PR 68).
 */
const FUTURE_STATE = /future[\s_-]*state|settings[\s_-]*(resource|object|ur[il])/i;

/** Finds the places of one system's boot override, and remembers what was learned about them. */
export class BootPlaces {
  readonly #conversation: Conversation;
  readonly #system: SystemReader;
  /** Resources of the future state that are not there, or hold no override. */
  readonly #useless = new Set<string>();
  #speaksOfFutureState = false;
  #first: Place['name'] = 'future';

  constructor(conversation: Conversation, system: SystemReader) {
    this.#conversation = conversation;
    this.#system = system;
  }

  /**
   * Reads all places. `isPowerDue`: the system is read again when the other one took long, which it does at some BMCs.
   */
  async read(reader: Reader, look: Look, maxAgeMs: number, isPowerDue = false): Promise<Places> {
    let system = await this.#system.read(reader, { ...look, maxAgeMs });
    const future = await this.#readFuture(reader, system, look);
    if (future !== undefined && isPowerDue) system = await this.#system.read(reader, { ...look, maxAgeMs: MAX_AGE_MS });
    const all: Place[] = [{ name: 'system', resource: system }];
    if (future !== undefined) all.push({ name: 'future', resource: future });
    return { system, all: all.sort((a, b) => Number(b.name === this.#first) - Number(a.name === this.#first)) };
  }

  /** Reads one of them again. */
  async reread(place: Place, look: Look): Promise<Place> {
    const resource =
      place.name === 'system'
        ? await this.#system.read(this.#conversation, look)
        : await this.#conversation.get(place.resource.path, { signal: look.signal });
    return { ...place, resource };
  }

  /** The place took an override: the next one is written there first. */
  prefer({ name }: Place): void {
    this.#first = name;
  }

  /**
   * A place refused: the other one comes first the next time. Where the system speaks of a future state, the resource
   * that holds it is looked for (`<system>/SD` where none is named).
   */
  heed(refusal: RedfishError, { name }: Place): void {
    this.#first = name === 'system' ? 'future' : 'system';
    if (FUTURE_STATE.test([refusal.message, ...refusal.messageIds].join(' '))) this.#speaksOfFutureState = true;
  }

  async #readFuture(reader: Reader, system: Resource, { signal }: Look): Promise<Resource | undefined> {
    const link = linkOf(field(system.json, '@Redfish.Settings', 'SettingsObject'));
    const paths = [
      ...(link === undefined ? [] : [this.#conversation.resolve(link)]),
      ...(this.#speaksOfFutureState ? [`${system.path.replace(/\/+$/, '')}/SD`] : []),
    ];
    for (const path of paths) {
      if (this.#useless.has(path)) continue;
      const found = await this.#readIfHolding(reader, path, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The resource when it is there and holds the override (AMI, Lenovo). */
  async #readIfHolding(reader: Reader, path: string, signal: AbortSignal | undefined) {
    try {
      const resource = await reader.get(path, { signal });
      const boot = objectOf(resource.json['Boot']);
      if (boot !== undefined && ('BootSourceOverrideTarget' in boot || 'BootSourceOverrideEnabled' in boot))
        return resource;
    } catch (error) {
      // What may not be read may not be written either: the system is left.
      if (!(error instanceof RedfishError) || (error.kind !== 'Protocol' && error.status !== 403)) throw error;
      // A BMC that is starting serves odd pages.
      if (error.retryable) return undefined;
    }
    this.#useless.add(path);
    return undefined;
  }
}

/** The Boot objects of some places, in their order. */
export function bootsOf(places: readonly Place[]): readonly JsonObject[] {
  return places.flatMap<JsonObject>(({ resource }) => objectOf(resource.json['Boot']) ?? []);
}

/** What can be in force of an override that Beskar7 has set. */
export type NetworkTarget = 'Pxe' | 'UefiHttp';

/** The target of a way to boot from the network. */
export function networkTarget(way: 'PXE' | 'HTTP'): NetworkTarget {
  return way === 'HTTP' ? 'UefiHttp' : 'Pxe';
}

/** The network target that a Boot object has in force, once or until it is taken back. */
export function networkTargetOf(boot: JsonObject | undefined): NetworkTarget | undefined {
  const enabled = textOf(boot?.['BootSourceOverrideEnabled']);
  const target = textOf(boot?.['BootSourceOverrideTarget']);
  if (enabled !== 'Once' && enabled !== 'Continuous') return undefined;
  return target === 'Pxe' || target === 'UefiHttp' ? target : undefined;
}

/** What a BMC that lists other targets only offers, and what to do about it; to go on with after its name. */
export function notOffered(target: string, offered: readonly string[]): string {
  const only = `offers no boot from ${target}, only ${[...new Set(offered)].join(', ')}`;
  if (target === 'Pxe' && offered.includes('UefiHttp'))
    return `${only}: set spec.networkBoot to HTTP, or enable PXE in its firmware settings`;
  if (target === 'UefiHttp' && offered.includes('Pxe'))
    return `${only}: leave spec.networkBoot out, or enable HTTP boot in its firmware settings`;
  return `${only}: enable network boot in the server's firmware settings`;
}
