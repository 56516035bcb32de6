import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import { ANNOTATION_ACCEPT_SERVER, ANNOTATION_SERVER } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/**
 * What a server shows of itself (DSP0268 ComputerSystem: UUID, SerialNumber, SKU); absent or a placeholder: not known.
 */
export interface ServerShown {
  readonly uuid?: string;
  readonly serialNumber?: string;
  /** Some vendors have the service tag here. It counts as a serial number that the server also has. */
  readonly sku?: string;
}

/** The server that a host stands for, as its enrolment found it: the annotation `beskar7.io/server`. */
export interface ServerRecord extends ServerShown {
  /** Where it was found, see `bmcPlace`. */
  readonly address: string;
  /** Which system of that BMC: the last part of its path. */
  readonly systemID?: string;
  /**
   * Since when its BMC has told this UUID, and this serial number: by that hosts of several namespaces are told apart
   * (`duplicateOf`).
   */
  readonly uuidSince?: string;
  readonly serialNumberSince?: string;
}

/** What comparing a recorded server with a shown one comes to. `unconfirmed`: what was recorded is not shown (now). */
export type Comparison = 'same' | 'different' | 'unconfirmed';

/** UUIDs that boards are sold with, without dashes, in either byte order. */
const PLACEHOLDER_UUIDS: ReadonlySet<string> = new Set([
  '03000200040005000006000700080009',
  '00020003000400050006000700080009',
  '12345678123456781234567812345678',
  '0123456789abcdef0123456789abcdef',
  'deadbeefdeadbeefdeadbeefdeadbeef',
]);

/** Texts that stand where a serial number was never written, upper case, without white space and punctuation. */
const PLACEHOLDER_SERIALS =
  /^(TO ?BE ?FILLED.*|DEFAULT.*|(SYSTEM|CHASSIS|BASE ?BOARD|BOARD|PRODUCT|SERVER)?(SERIAL|SERIALNUMBER|SN|SERIALNO)|NOT(SPECIFIED|AVAILABLE|APPLICABLE|PROVIDED|PRESENT|SET|DEFINED)|UN(KNOWN|SPECIFIED|DEFINED|SET)|NONE|NULL|NIL|NA|NO(SERIAL|SERIALNUMBER)?|EMPTY|BLANK|INVALID|TBD|TEST|OEM|SKU|FILLBYOEM|FILLEDBYOEM|INSYDE|0?1?23456789(0|A|AB|ABC|ABCD|ABCDE|ABCDEF)?|123456(7|78)?|ABCDEFG?H?)$/;

/**
 * A UUID in one form, whatever its case, dashes, braces or byte order; undefined for a placeholder and what is none.
 */
export function usableUuid(text: string | undefined): string | undefined {
  const hex = (text ?? '')
    .trim()
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/[{}\s-]/g, '');
  if (!/^[0-9a-f]{32}$/.test(hex) || new Set(hex).size < 3 || PLACEHOLDER_UUIDS.has(hex)) return undefined;
  // SMBIOS stores the first three fields little-endian (DSP0134, 7.2.1); firmware shows them in one order or the other.
  const swapped = swap(hex.slice(0, 8)) + swap(hex.slice(8, 12)) + swap(hex.slice(12, 16)) + hex.slice(16);
  return hex < swapped ? hex : swapped;
}

function swap(field: string): string {
  return (field.match(/../g) ?? []).reverse().join('');
}

/** A serial number in one form; undefined for a placeholder. */
export function usableSerial(text: string | undefined): string | undefined {
  const serial = (text ?? '').trim().replace(/\s+/g, ' ').toUpperCase();
  const bare = serial.replace(/[^A-Z0-9]/g, '');
  // One or two characters, or one that is repeated, tell nothing apart.
  if (bare.length < 3 || new Set(bare).size < 2 || PLACEHOLDER_SERIALS.test(bare)) return undefined;
  return serial;
}

/** The serial numbers that a server has, in one form each. */
function serialsOf({ serialNumber, sku }: ServerShown): string[] {
  const serials = [usableSerial(serialNumber), usableSerial(sku)];
  return [...new Set(serials.filter((serial) => serial !== undefined))];
}

/** Whether a server shows anything that identifies it. */
export function isIdentified(shown: ServerShown): boolean {
  return usableUuid(shown.uuid) !== undefined || usableSerial(shown.serialNumber) !== undefined;
}

/**
 * Compares a server that answers with the one that was recorded. Any of UUID and serial number that both show and that
 * differs makes them different. Where nothing was recorded, any server at that address is taken for it.
 */
export function compareServer(recorded: ServerShown, shown: ServerShown): Comparison {
  const uuids = [usableUuid(recorded.uuid), usableUuid(shown.uuid)] as const;
  const [was, serials] = [usableSerial(recorded.serialNumber), serialsOf(shown)] as const;
  const isSameUuid = uuids[0] !== undefined && uuids[1] !== undefined ? uuids[0] === uuids[1] : undefined;
  const isSameSerial = was !== undefined && serials.length > 0 ? serials.includes(was) : undefined;
  if (isSameUuid === false || isSameSerial === false) return 'different';
  if (isSameUuid === true || isSameSerial === true) return 'same';
  return isIdentified(recorded) ? 'unconfirmed' : 'same';
}

/** For people: `UUID … , serial number …`. */
export function describeServer(shown: ServerShown): string {
  const parts = [
    ...(usableUuid(shown.uuid) === undefined ? [] : [`UUID ${shown.uuid}`]),
    ...(usableSerial(shown.serialNumber) === undefined ? [] : [`serial number ${shown.serialNumber}`]),
  ];
  return parts.length === 0 ? 'no UUID or serial number of its own' : parts.join(', ');
}

/** Where a BMC is, in one form per BMC: two spellings of one address give the same text. */
export interface BmcPlace {
  /** `10.0.0.5`, `[fd00::5]:8443`, `bmc.example/prefix`. */
  readonly address: string;
  /** Which of its systems, if the spec names one. */
  readonly systemID?: string;
}

/**
 * The place of a host's BMC: host in lower case, without the scheme, its default port, a slash at the end and the
 * Redfish path. `http://` and `https://` of one host, both on their default ports, are one BMC.
 */
export function bmcPlace({ redfishConnection }: Pick<PhysicalHost['spec'], 'redfishConnection'>): BmcPlace {
  const { address } = redfishConnection;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) return withSystem(address.trim().toLowerCase(), redfishConnection.systemID);
  const path = /^(?<prefix>.*?)(?:\/redfish(?:\/v1(?:\/Systems\/(?<id>[^/]+))?)?)?$/i.exec(
    url.pathname.replace(/\/+/g, '/').replace(/\/$/, ''),
  );
  const { prefix = '', id } = path?.groups ?? {};
  // URL leaves out the port that is the scheme's own.
  const port = url.port === '' || url.port === '80' || url.port === '443' ? '' : `:${url.port}`;
  return withSystem(`${hostIn(url)}${port}${prefix}`, redfishConnection.systemID ?? id);
}

function withSystem(address: string, systemID: string | undefined): BmcPlace {
  return { address, ...(systemID === undefined || systemID === '' ? {} : { systemID }) };
}

/** URL has made it lower case, and numbers of any form into an address. */
function hostIn({ hostname }: URL): string {
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return hostname.replace(/\.$/, '');
  // An IPv4 address in IPv6 (RFC 4291, 2.5.5.2).
  const [a, b] = [parseInt(high, 16), parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}

/**
 * What is to be recorded of a host whose BMC shows that. What was recorded before and still is shown keeps its time;
 * the rest is known from `now` on (ISO time).
 */
export function recordOf(
  spec: Pick<PhysicalHost['spec'], 'redfishConnection'>,
  shown: ServerShown & { systemID?: string },
  before?: ServerRecord,
  now = new Date().toISOString(),
) {
  const { address, systemID } = bmcPlace(spec);
  const id = shown.systemID ?? systemID;
  const isSameUuid = usableUuid(shown.uuid) === usableUuid(before?.uuid);
  const isSameSerial = usableSerial(shown.serialNumber) === usableSerial(before?.serialNumber);
  const [uuidSince, serialNumberSince] = [
    usableUuid(shown.uuid) && ((isSameUuid ? before?.uuidSince : undefined) ?? now),
    usableSerial(shown.serialNumber) && ((isSameSerial ? before?.serialNumberSince : undefined) ?? now),
  ];
  return {
    address,
    ...(id === undefined ? {} : { systemID: id }),
    ...(shown.uuid === undefined ? {} : { uuid: shown.uuid.slice(0, MAX_TEXT) }),
    ...(uuidSince === undefined ? {} : { uuidSince }),
    ...(shown.serialNumber === undefined ? {} : { serialNumber: shown.serialNumber.slice(0, MAX_TEXT) }),
    ...(serialNumberSince === undefined ? {} : { serialNumberSince }),
  } satisfies ServerRecord;
}

const MAX_TEXT = 256;

/** Parses the annotation; anything else than a record gives undefined. */
export function parseServer(text: string | undefined): ServerRecord | undefined {
  if (text === undefined) return undefined;
  const value = tryParseJson(text, JSON_BOUNDS.annotation);
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Record<string, unknown>;
  const isText = (field: string) => record[field] === undefined || typeof record[field] === 'string';
  const isRecord =
    typeof record.address === 'string' &&
    ['systemID', 'uuid', 'serialNumber', 'uuidSince', 'serialNumberSince'].every(isText);
  return isRecord ? (value as ServerRecord) : undefined;
}

/** The annotation's text. */
export function serializeServer(record: ServerRecord): string {
  return JSON.stringify(record);
}

/**
 * The server that was recorded of a host. The annotation survives a lost status (a move, a restore); where it was lost
 * itself (`kubectl replace`), the status tells it. Undefined: none was recorded, or both are lost.
 */
export function recordedServer({ metadata, spec, status }: PhysicalHost): ServerRecord | undefined {
  const recorded = parseServer(metadata.annotations?.[ANNOTATION_SERVER]);
  if (recorded !== undefined) return recorded;
  const { hardware } = status ?? {};
  if (hardware === undefined) return undefined;
  const { uuid, serialNumber } = hardware;
  // Since when is lost with the annotation: at the latest since the host is there.
  const {
    uuidSince: _uuid,
    serialNumberSince: _serial,
    ...record
  } = recordOf(spec, {
    ...(uuid === undefined ? {} : { uuid }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  });
  return record;
}

/** Whether the host still has the BMC address (and system, where it names one) at which its server was recorded. */
export function isRecordedPlace(host: PhysicalHost, record: ServerRecord): boolean {
  const place = bmcPlace(host.spec);
  const isSameSystem =
    place.systemID === undefined || record.systemID === undefined || place.systemID === record.systemID;
  return place.address === record.address && isSameSystem;
}

/** What a person writes to accept a server without an identity. */
const UNIDENTIFIED = 'unidentified';

/**
 * Whether a person has accepted the server that answers now (`beskar7.io/accept-server`: its UUID or serial number).
 */
export function isAccepted({ metadata }: Pick<PhysicalHost, 'metadata'>, shown: ServerShown): boolean {
  const said = metadata.annotations?.[ANNOTATION_ACCEPT_SERVER]?.trim();
  if (said === undefined || said === '') return false;
  if (!isIdentified(shown)) return said.toLowerCase() === UNIDENTIFIED;
  const uuid = usableUuid(said);
  if (uuid !== undefined && uuid === usableUuid(shown.uuid)) return true;
  const serial = usableSerial(said);
  return serial !== undefined && serialsOf(shown).includes(serial);
}

/** What to type for it. A text of the BMC that a shell could take for more than a word is left to the person. */
export function acceptCommand({ namespace = '', name }: PhysicalHost['metadata'], shown: ServerShown): string {
  const texts = [
    usableSerial(shown.serialNumber) && shown.serialNumber,
    usableUuid(shown.uuid) && shown.uuid,
    isIdentified(shown) ? '<its UUID>' : UNIDENTIFIED,
  ];
  const value = texts.find((text) => text !== undefined && /^[\w .:/<>-]+$/.test(text)) ?? '<its UUID>';
  return `kubectl annotate physicalhost ${name} -n ${namespace} ${ANNOTATION_ACCEPT_SERVER}="${value}"`;
}
