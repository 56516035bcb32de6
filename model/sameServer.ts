import { isUnclaimed } from './claim.ts';
import { wasClaimedByUs } from './holding.ts';
import { usableMac } from './networkIdentity.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { bmcPlace, isIdentified, isRecordedPlace, recordedServer, usableSerial, usableUuid } from './serverIdentity.ts';

/** By what two hosts stand for one server, in words that follow "the same". */
export type SharedBy = 'BMC address' | 'UUID' | 'serial number' | 'MAC addresses';

/** A MAC address that so many hosts have is not one server's: BMCs of a series give their USB interface the same. */
const SERIES = 3;

/** Whether a MAC address, or a UUID, that so many hosts have can be one server's. */
export function isOfSeries(hosts: number): boolean {
  return hosts >= SERIES;
}

/** How many hosts have a MAC address, in one form; those of one namespace, or all. */
export type CountMac = (mac: string, namespace?: string) => number;

/**
 * The values of a host by which others for the same server are found: each pair that `sharedBy` finds has one in
 * common.
 */
export function serverKeys(host: PhysicalHost): string[] {
  const record = recordedServer(host);
  const uuid = usableUuid(record?.uuid);
  const serial = usableSerial(record?.serialNumber);
  return [
    `bmc ${bmcPlace(host.spec).address}`,
    ...(uuid === undefined ? [] : [`uuid ${uuid}`]),
    ...(serial === undefined ? [] : [`serial ${serial}`]),
  ];
}

/** Whether one of the `serverKeys` is the address of a BMC. */
export function isAddressKey(key: string): boolean {
  return key.startsWith('bmc ');
}

/** The MAC addresses of a host, in one form: that of its spec and those that its BMC told. */
export function macsOf({ spec, status }: PhysicalHost): string[] {
  const all = [spec.bootMACAddress, ...(status?.macAddresses ?? [])].map(usableMac);
  return [...new Set(all.filter((mac) => mac !== undefined))];
}

/**
 * By what two hosts stand for the same server; undefined: nothing says so. Different UUIDs, or different serial
 * numbers, say that they do not, whatever MAC addresses their BMCs tell. MAC addresses count within a namespace only: a
 * BMC may tell any.
 */
export function sharedBy(a: PhysicalHost, b: PhysicalHost, countMac: CountMac = () => 2): SharedBy | undefined {
  if (isSamePlace(a, b)) return 'BMC address';
  const [one, other] = [recordedServer(a), recordedServer(b)];
  if (one !== undefined && other !== undefined) {
    const uuids = [usableUuid(one.uuid), usableUuid(other.uuid)] as const;
    const serials = [usableSerial(one.serialNumber), usableSerial(other.serialNumber)] as const;
    const isSameUuid = same(uuids);
    const isSameSerial = same(serials);
    // One UUID with two serial numbers is that of a series, one serial number with two UUIDs that of a chassis.
    if (isSameUuid === false || isSameSerial === false) return undefined;
    if (isSameUuid === true && isSameSerial === true) return 'UUID';
    // Half an identity may be a text that a whole series was sold with: then the BMCs tell other MAC addresses.
    if (isSameUuid === true) return reportOtherMacs(a, b, countMac) ? undefined : 'UUID';
    if (isSameSerial === true)
      return isSameMaker(a, b) && !reportOtherMacs(a, b, countMac) ? 'serial number' : undefined;
  }
  return sharesMacs(a, b, countMac) ? 'MAC addresses' : undefined;
}

/** Undefined: one of the two is not known. */
function same([a, b]: readonly [string | undefined, string | undefined]): boolean | undefined {
  return a === undefined || b === undefined ? undefined : a === b;
}

function isSamePlace(a: PhysicalHost, b: PhysicalHost): boolean {
  const [one, other] = [bmcPlace(a.spec), bmcPlace(b.spec)];
  if (one.address !== other.address) return false;
  const ids = [one.systemID ?? systemFound(a), other.systemID ?? systemFound(b)] as const;
  return same(ids) !== false;
}

/** The system of a BMC with one, which the spec need not name. */
function systemFound(host: PhysicalHost): string | undefined {
  const record = recordedServer(host);
  return record !== undefined && isRecordedPlace(host, record) ? record.systemID : undefined;
}

function isSameMaker(a: PhysicalHost, b: PhysicalHost): boolean {
  const maker = ({ status }: PhysicalHost) => status?.hardware?.manufacturer?.trim().toLowerCase() ?? '';
  return maker(a) === '' || maker(b) === '' || maker(a) === maker(b);
}

/** Both BMCs tell MAC addresses, and none of them is the other's. What a spec says is no evidence: it may be copied. */
function reportOtherMacs(a: PhysicalHost, b: PhysicalHost, countMac: CountMac): boolean {
  const told = ({ status }: PhysicalHost) =>
    (status?.macAddresses ?? []).map(usableMac).filter((mac) => mac !== undefined && countMac(mac) < SERIES);
  const [one, other] = [told(a), told(b)];
  return one.length > 0 && other.length > 0 && !one.some((mac) => other.includes(mac));
}

/**
 * One MAC address is enough in a namespace, where the same people answer for both hosts. Across namespaces none is: a
 * BMC of one tenant that tells those of others would shut them out.
 */
function sharesMacs(a: PhysicalHost, b: PhysicalHost, countMac: CountMac): boolean {
  return isSameNamespace(a, b) && sharedMacs(a, b, countMac).length > 0;
}

/**
 * MAC addresses that two hosts share, but for those of a series. Hosts elsewhere make no series of those of one
 * namespace.
 */
export function sharedMacs(a: PhysicalHost, b: PhysicalHost, countMac: CountMac): string[] {
  const others = macsOf(b);
  const within = isSameNamespace(a, b) ? a.metadata.namespace : undefined;
  return macsOf(a).filter((mac) => others.includes(mac) && countMac(mac, within) < SERIES);
}

/**
 * Whether another host can come to be claimed for the server of this one, or can come first, by the time that a cache
 * is behind: one of the same namespace; one that has a consumer or was enrolled where it is, which takes the password
 * of the BMC; one that comes first already. Of other namespaces anyone may make hosts in any number that name an
 * address or tell an identity: those stay behind, whatever a live read of them would show. `duplicate`: what the other
 * one means to this one by what the cache shows.
 */
export function mayComeFirst(host: PhysicalHost, other: PhysicalHost, duplicate: Duplicate | undefined): boolean {
  if (isSameNamespace(host, other)) return true;
  if (duplicate === undefined) return false;
  if (!duplicate.isFirst || duplicate.areBothClaimed) return true;
  const record = recordedServer(other);
  return duplicate.by === 'BMC address' && (isHeld(other) || (record !== undefined && isRecordedPlace(other, record)));
}

function isSameNamespace(a: PhysicalHost, b: PhysicalHost): boolean {
  return a.metadata.namespace === b.metadata.namespace;
}

/** Another host for the same server. */
export interface Duplicate {
  readonly other: PhysicalHost;
  readonly by: SharedBy;
  /** Both have a consumer: nothing is sent for either, until one of them is released by force or gone. */
  readonly areBothClaimed: boolean;
  /** This host comes first: it stays as it is. */
  readonly isFirst: boolean;
}

/**
 * What another host for the same server means to this one; of several the one that comes first. `others` may hold any
 * hosts. Of two, the one with a consumer comes first; else one that was enrolled at its present address (whoever names
 * an address without credentials shuts nobody out); else one whose server can be told; else the older. Where only what
 * a BMC tells says so, and the other host is in another namespace, the one comes first whose BMC told it first, claimed
 * or not: a BMC may tell whatever it likes, and must not shut out a host that was known before (decision 0020).
 */
export function duplicateOf(
  host: PhysicalHost,
  others: readonly PhysicalHost[],
  countMac?: CountMac,
): Duplicate | undefined {
  let found: Duplicate | undefined;
  for (const other of others) {
    if (isSameObject(host, other)) continue;
    const by = sharedBy(host, other, countMac);
    if (by === undefined) continue;
    const duplicate = compared(host, other, by);
    if (found === undefined || countsMore(duplicate, found)) found = duplicate;
  }
  return found;
}

function compared(host: PhysicalHost, other: PhysicalHost, by: SharedBy): Duplicate {
  if (by !== 'BMC address' && !isSameNamespace(host, other))
    return { other, by, areBothClaimed: false, isFirst: wasKnownBefore(host, other, by) };
  return { other, by, areBothClaimed: isHeld(host) && isHeld(other), isFirst: comesBefore(host, other) };
}

/**
 * What holds a host back counts more than what does not: a stranger that comes after it hides no neighbour that comes
 * before it.
 */
function countsMore(a: Duplicate, b: Duplicate): boolean {
  const weight = ({ areBothClaimed, isFirst }: Duplicate) => (areBothClaimed ? 2 : isFirst ? 0 : 1);
  return weight(a) === weight(b) ? comesBefore(a.other, b.other) : weight(a) > weight(b);
}

/** Whether what the two share was recorded of `a` first. A record without a time is as old as its object. */
function wasKnownBefore(a: PhysicalHost, b: PhysicalHost, by: Exclude<SharedBy, 'BMC address'>): boolean {
  const since = (host: PhysicalHost) => {
    const { uuidSince, serialNumberSince } = recordedServer(host) ?? {};
    const known = by === 'serial number' ? serialNumberSince : uuidSince;
    const { creationTimestamp = '9', uid } = host.metadata;
    const atMs = Date.parse(known ?? creationTimestamp);
    return [Number.isNaN(atMs) ? Infinity : atMs, `${creationTimestamp} ${uid}`] as const;
  };
  const [one, other] = [since(a), since(b)];
  return one[0] === other[0] ? one[1] < other[1] : one[0] < other[0];
}

function isSameObject(a: PhysicalHost, b: PhysicalHost): boolean {
  return a.metadata.namespace === b.metadata.namespace && a.metadata.name === b.metadata.name;
}

/**
 * Claimed, and its status shows it: a consumer alone may have been written into a copied manifest, to keep another host
 * from its release.
 */
function isHeld(host: PhysicalHost): boolean {
  return !isUnclaimed(host) && wasClaimedByUs(host);
}

/** Whether `a` stays as it is, and not `b`. */
function comesBefore(a: PhysicalHost, b: PhysicalHost): boolean {
  const rank = (host: PhysicalHost): boolean[] => {
    const record = recordedServer(host);
    const isEnrolled = record !== undefined && isRecordedPlace(host, record);
    return [isHeld(host), !isUnclaimed(host), isEnrolled, isEnrolled && isIdentified(record)];
  };
  const [one, other] = [rank(a), rank(b)];
  const at = one.findIndex((value, index) => value !== other[index]);
  if (at >= 0) return one[at] === true;
  const age = ({ metadata }: PhysicalHost) => `${metadata.creationTimestamp ?? '9'} ${metadata.uid}`;
  return age(a) < age(b);
}

/** How another host is named to the people of this one's namespace: names of other namespaces are not for them. */
export function nameFor(host: PhysicalHost, other: PhysicalHost): string {
  return other.metadata.namespace === host.metadata.namespace
    ? `PhysicalHost ${other.metadata.name}`
    : 'a PhysicalHost in another namespace';
}

/** What a duplicate means to a host, in a sentence or two for its people. */
export function duplicateMessage(host: PhysicalHost, { other, by, isFirst, areBothClaimed }: Duplicate): string {
  const name = nameFor(host, other);
  const same = `The same ${by} as ${name}: both stand for one server.`;
  const mend =
    'Delete the one that is too many, or correct its redfishConnection; deleting the one that is not first calls no BMC.';
  if (areBothClaimed)
    return `${same} Both are claimed, so that nothing is sent to the BMC for either. Look which machine runs on the server, and release the other one by force.`;
  if (isFirst) return `${same} This one comes first and stays as it is; the other one is not offered. ${mend}`;
  return `${same} The other one comes first; this one is not offered, and nothing is sent to its BMC. ${mend}`;
}
