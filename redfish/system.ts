import { visibleLine } from '../untrusted/text.ts';
import { decodeSegment } from './connectionOptions.ts';
import type { Conversation } from './conversation.ts';
import { RedfishError } from './error.ts';
import type { ServerShown } from './fence.ts';
import { field, linkOf, listOf, numberOf, textOf, textsOf, type JsonObject } from './json.ts';
import type { Resource } from './reply.ts';
import type { Reader, ReadOptions } from './requests.ts';

/** Power states of DSP2046 ComputerSystem; `Unknown` when the BMC does not say (null while it starts, for instance). */
export type PowerState = 'On' | 'Off' | 'PoweringOn' | 'PoweringOff' | 'Paused' | 'Unknown';

/** What a BMC says about its system. Texts are one line and bounded; the empty text is "not said". */
export interface SystemInfo {
  systemID: string;
  manufacturer: string;
  model: string;
  serialNumber: string;
  powerState: PowerState;
  uuid?: string;
  sku?: string;
  hostName?: string;
  biosVersion?: string;
  /** `OK`, `Warning` or `Critical`. */
  health?: string;
  /** `BootProgress.LastState`, such as `OSRunning`. */
  bootProgress?: string;
  memoryGiB?: number;
  processorCount?: number;
  /**
   * What `BootSourceOverrideTarget` may be, where the system itself lists it and no settings resource may say
   * otherwise.
   */
  bootTargets?: readonly string[];
}

const POWER_STATES: readonly PowerState[] = ['On', 'Off', 'PoweringOn', 'PoweringOff', 'Paused'];
const MAX_PAGES = 10;

/** Finds the system of a BMC once, and reads it. One GET of it serves power, boot and ETag. */
export class SystemReader {
  readonly #conversation: Conversation;
  #path: string | undefined;
  #snapshot: Resource | undefined;
  /** What an earlier search has found, also where it came to no end: a slow BMC needs several attempts. */
  #collection: string | undefined;
  #expandQuery: string | undefined;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /**
   * Reads the system with `reader`, or gives what was read at most `maxAgeMs` ago, when nothing was changed since and
   * the connection is warm. Throws `SystemAmbiguous`, `SystemNotFound` and whatever a GET throws.
   */
  async read(reader: Reader, options: ReadOptions & { maxAgeMs?: number } = {}): Promise<Resource> {
    const { maxAgeMs = 0, ...readOptions } = options;
    const snapshot = this.#snapshot;
    const ageMs = performance.now() - (snapshot?.readAtMs ?? Number.NEGATIVE_INFINITY);
    if (snapshot !== undefined && ageMs < maxAgeMs && this.#conversation.warm) {
      this.#identify(snapshot, options);
      return snapshot;
    }
    const known = this.#path;
    const path = known ?? (await this.#discover(reader, readOptions));
    this.#path = path;
    try {
      const resource = await reader.get(path, readOptions);
      this.#snapshot = resource;
      this.#identify(resource, options);
      return resource;
    } catch (error) {
      if (!(error instanceof RedfishError) || error.status !== 404) throw error;
      // A BMC may renumber its systems after a restart.
      this.#path = undefined;
      this.#collection = undefined;
      if (known === undefined) throw error;
      return this.read(reader, readOptions);
    }
  }

  #identify(system: Resource, { identify }: ReadOptions): void {
    try {
      identify?.(serverShownIn(system));
    } catch (error) {
      // What was read is not of the server that is meant: nobody decides by it.
      this.#snapshot = undefined;
      const what = this.#conversation.what({ method: 'GET', path: system.path });
      throw error instanceof RedfishError ? error : identityRefusal(what, error);
    }
  }

  /**
   * The query that makes this service give the members of a collection with it; undefined: it does not say that it can.
   * Known once the system was found.
   */
  get expandQuery(): string | undefined {
    return this.#expandQuery;
  }

  /** Call before anything is changed: what was read is history then. */
  forget(): void {
    this.#snapshot = undefined;
  }

  async #discover(reader: Reader, options: ReadOptions): Promise<string> {
    const collection = (this.#collection ??= await this.#findCollection(reader, options));
    try {
      return this.#choose(await this.#members(reader, options, collection));
    } catch (error) {
      if (error instanceof RedfishError && error.status === 404) this.#collection = undefined;
      throw error;
    }
  }

  async #findCollection(reader: Reader, options: ReadOptions): Promise<string> {
    const { config } = this.#conversation;
    const root = await this.#readRoot(reader, options);
    this.#expandQuery = expandQueryOf(root.json);
    const systems = linkOf(field(root.json, 'Systems'));
    if (systems === undefined) {
      const message = `the Redfish service at ${config.host} has no Systems: is this the address of a server's BMC?`;
      throw new RedfishError('SystemNotFound', message);
    }
    return this.#conversation.resolve(systems);
  }

  /** The root is at `/redfish/v1/` (DSP0266 §"Service root"); some services know only the form without the slash. */
  async #readRoot(reader: Reader, options: ReadOptions): Promise<Resource> {
    const { rootPath } = this.#conversation.config;
    try {
      return await reader.get(rootPath, options);
    } catch (error) {
      if (!(error instanceof RedfishError) || error.status !== 404) throw error;
      return reader.get(rootPath.replace(/\/$/, ''), options);
    }
  }

  async #members(reader: Reader, options: ReadOptions, collection: string): Promise<readonly string[]> {
    const members: string[] = [];
    let page: string | undefined = collection;
    for (let pages = 0; page !== undefined && pages < MAX_PAGES; pages += 1) {
      const { json }: Resource = await reader.get(page, options);
      const links = listOf(json['Members']).flatMap((member) => linkOf(member) ?? []);
      members.push(...links.map((link) => this.#conversation.resolve(link)));
      const next = linkOf(json['Members@odata.nextLink']);
      page = next === undefined ? undefined : this.#conversation.resolve(next);
    }
    return members;
  }

  /**
   * One member: that one. Several: the one that `systemID` names, else an error that lists them. Never the first, never
   * all.
   */
  #choose(members: readonly string[]): string {
    const { config } = this.#conversation;
    const { systemID } = config;
    const ids = shownIds(members.map((path) => this.#conversation.redact(idOf(path))));
    if (members.length === 0) {
      throw new RedfishError('SystemNotFound', `the BMC ${config.host} lists no system yet`, { retryable: true });
    }
    if (systemID === undefined) {
      const [only] = members;
      if (members.length === 1 && only !== undefined) return only;
      const message = `the BMC ${config.host} has several systems (${ids}): set redfishConnection.systemID to the one that is meant`;
      throw new RedfishError('SystemAmbiguous', message);
    }
    const match = members.filter((path) => idOf(path) === systemID || strip(path) === strip(systemID));
    const [chosen] = match;
    if (match.length === 1 && chosen !== undefined) return chosen;
    const message = `the BMC ${config.host} has no system ${JSON.stringify(systemID)} but ${ids}: correct redfishConnection.systemID`;
    throw new RedfishError('SystemNotFound', message);
  }
}

/** The power state in a system resource. */
export function powerStateOf(system: Resource): PowerState {
  const said = textOf(system.json['PowerState'])?.toLowerCase();
  return POWER_STATES.find((state) => state.toLowerCase() === said) ?? 'Unknown';
}

/** What tells this server from another one. */
function serverShownIn({ json, path }: Resource): ServerShown {
  const uuid = textOf(json['UUID']);
  const serialNumber = textOf(json['SerialNumber']);
  const sku = textOf(json['SKU']);
  return {
    systemID: idOf(path),
    ...(uuid === undefined ? {} : { uuid }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(sku === undefined ? {} : { sku }),
  };
}

function identityRefusal(what: string, cause: unknown): RedfishError {
  const why = cause instanceof Error ? cause.message : 'it is another server';
  return new RedfishError('FenceRefused', `${what} shows another server than is meant: ${why}`, { cause });
}

/** The description in a system resource. */
export function systemInfoOf(system: Resource): SystemInfo {
  const { json } = system;
  const optional = {
    uuid: textOf(json['UUID']),
    sku: textOf(json['SKU']),
    hostName: textOf(json['HostName']),
    biosVersion: textOf(json['BiosVersion']),
    health: textOf(field(json, 'Status', 'Health')),
    bootProgress: textOf(field(json, 'BootProgress', 'LastState')),
    memoryGiB: numberOf(field(json, 'MemorySummary', 'TotalSystemMemoryGiB')),
    processorCount: numberOf(field(json, 'ProcessorSummary', 'Count')),
    bootTargets: bootTargetsOf(json),
  };
  return {
    systemID: idOf(system.path),
    manufacturer: textOf(json['Manufacturer']) ?? '',
    model: textOf(json['Model']) ?? '',
    serialNumber: serialOf(json),
    powerState: powerStateOf(system),
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as Partial<SystemInfo>),
  };
}

/** DSP0266 §"Expand": `.` leaves links alone, `*` does not; levels may be said where they are offered. */
function expandQueryOf(root: JsonObject): string | undefined {
  const offered = field(root, 'ProtocolFeaturesSupported', 'ExpandQuery');
  const what = field(offered, 'NoLinks') === true ? '.' : field(offered, 'ExpandAll') === true ? '*' : undefined;
  if (what === undefined) return undefined;
  return `$expand=${what}${field(offered, 'Levels') === true ? '($levels=1)' : ''}`;
}

function bootTargetsOf(json: JsonObject): readonly string[] | undefined {
  if (linkOf(field(json, '@Redfish.Settings', 'SettingsObject')) !== undefined) return undefined;
  return textsOf(field(json, 'Boot', 'BootSourceOverrideTarget@Redfish.AllowableValues'));
}

const MAX_IDS = 8;
const MAX_ID = 64;

/** Ids for a message: a BMC may list thousands, each as long as it likes. */
function shownIds(ids: readonly string[]): string {
  const shown = ids.slice(0, MAX_IDS).map((id) => {
    const line = visibleLine(id);
    return line.length > MAX_ID ? `${line.slice(0, MAX_ID)}…` : line;
  });
  return ids.length > MAX_IDS ? `${shown.join(', ')} and ${ids.length - MAX_IDS} more` : shown.join(', ');
}

/** The path's last segment, slashes at the end aside. */
function idOf(path: string): string {
  return decodeSegment(strip(path).split('/').at(-1) ?? '');
}

function strip(path: string): string {
  return path.replace(/\/+$/, '');
}

/** Dell's SerialNumber is the board's; its service tag is the SKU. Only a missing serial number is replaced. */
function serialOf(json: JsonObject): string {
  return textOf(json['SerialNumber']) ?? textOf(json['SKU']) ?? '';
}
