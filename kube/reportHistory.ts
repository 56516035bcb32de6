import { createHash } from 'node:crypto';
import type { InspectionReport } from '../crds/inspectionReport.ts';
import { API_VERSION } from '../crds/names.ts';
import type { New } from '../crds/object.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import type { CallOptions, KubeClient } from './client.ts';
import { isAlreadyExists, isNotFound } from './error.ts';
import { CONFIG_MAPS, type ConfigMap } from './resource.ts';
import { find, pinned, swap } from './swap.ts';

/**
 * Earlier inspection reports of a host: in a ConfigMap beside it, which the host owns (docs/decisions/0008). The
 * current one is in the host's status. Bounded: at most `MAX_REPORTS` of them, `MAX_BYTES` in all; the oldest go first.
 */
export const MAX_REPORTS = 10;
/** Of the JSON of all earlier reports of a host together; a ConfigMap may have 1 MiB. */
export const MAX_BYTES = 512 * 1024;
const SUFFIX = '.beskar7-reports';
const MAX_NAME = 253;

/** A report with the time at which it was accepted, RFC 3339. */
export interface KeptReport {
  readonly at: string;
  readonly report: InspectionReport;
}

/** The name of the ConfigMap of a host. A name that would be too long ends in a hash. */
export function reportsName(host: string): string {
  if (host.length + SUFFIX.length <= MAX_NAME) return host + SUFFIX;
  const hash = createHash('sha256').update(host).digest('hex').slice(0, 16);
  return `${host.slice(0, MAX_NAME - SUFFIX.length - hash.length - 1)}-${hash}${SUFFIX}`;
}

/**
 * The earlier reports of a host, newest first; those of another host of the same name, that is gone, are not its own.
 * Throws KubeError.
 */
export async function keptReports(
  kube: Pick<KubeClient, 'get'>,
  host: PhysicalHost,
  options: CallOptions = {},
): Promise<KeptReport[]> {
  const { namespace, name } = host.metadata;
  const map = await find(kube, CONFIG_MAPS, { namespace, name: reportsName(name) }, options);
  return map !== undefined && isOf(map, host) ? parse(map.data) : [];
}

/**
 * Keeps the current report of a host, which is about to be replaced. One that says the same as the newest kept one, but
 * for its time, is not kept once more. Can be repeated. Throws KubeError.
 */
export async function keepReport(
  kube: Pick<KubeClient, 'get' | 'create' | 'mergePatch'>,
  host: PhysicalHost,
  options: CallOptions = {},
): Promise<void> {
  const { inspectionReport: report, inspectionTimestamp } = host.status ?? {};
  const at = inspectionTimestamp ?? report?.timestamp;
  if (report === undefined || at === undefined) return;
  const kept = { at, report };
  if (Buffer.byteLength(JSON.stringify(report)) > MAX_BYTES) return;
  const { namespace, name } = host.metadata;
  const mapName = reportsName(name);
  await swap({
    what: `ConfigMap ${namespace}/${mapName}`,
    read: () => find(kube, CONFIG_MAPS, { namespace, name: mapName }, options),
    write: async (map) => {
      if (map === undefined) {
        await kube.create(CONFIG_MAPS, { ...mapOf(host, mapName), data: bounded([kept]) }, options);
        return;
      }
      const earlier = isOf(map, host) ? parse(map.data) : [];
      if (earlier.some((one) => one.at === at) || (earlier[0] && isSame(earlier[0].report, report))) return;
      const data = bounded([kept, ...earlier]);
      const gone = Object.keys(map.data ?? {}).filter((key) => !(key in data));
      const { ownerReferences } = mapOf(host, mapName).metadata;
      const patch = pinned(map, {
        metadata: { ownerReferences },
        data: { ...data, ...Object.fromEntries(gone.map((key) => [key, null])) },
      });
      await kube.mergePatch(CONFIG_MAPS, namespace, mapName, patch, options);
    },
    // Made or deleted by another writer meanwhile.
    isStale: (error) => isAlreadyExists(error) || isNotFound(error),
  });
}

function mapOf({ metadata }: PhysicalHost, name: string): New<ConfigMap> {
  const owner = { apiVersion: API_VERSION, kind: 'PhysicalHost', name: metadata.name, uid: metadata.uid };
  return {
    metadata: {
      name,
      namespace: metadata.namespace,
      labels: { 'app.kubernetes.io/managed-by': 'beskar7' },
      ownerReferences: [owner],
    },
  };
}

/** By uid, or by name where the host was moved into another cluster: clusterctl writes the new uid into the owner. */
function isOf({ metadata }: ConfigMap, host: PhysicalHost): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === host.metadata.uid) ?? false;
}

/** The newest that fit, as the data of the ConfigMap; the first one fits. */
function bounded(reports: readonly KeptReport[]): Record<string, string> {
  const data: Record<string, string> = {};
  let bytes = 0;
  for (const { at, report } of reports.slice(0, MAX_REPORTS)) {
    const text = JSON.stringify(report);
    bytes += Buffer.byteLength(text);
    if (bytes > MAX_BYTES) break;
    data[keyOf(at)] = text;
  }
  return data;
}

/** Keys of a ConfigMap have no colons. */
function keyOf(at: string): string {
  return `${at.replaceAll(':', '_')}.json`;
}

/** What cannot be read (somebody edited it) is left out. */
function parse(data: Readonly<Record<string, string>> | undefined): KeptReport[] {
  return Object.entries(data ?? {})
    .flatMap(([key, text]) => {
      const at = key.replace(/\.json$/, '').replaceAll('_', ':');
      const report = reportOf(text);
      return report === undefined || Number.isNaN(Date.parse(at)) ? [] : [{ at, report }];
    })
    .sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
}

function reportOf(text: string): InspectionReport | undefined {
  const value = tryParseJson(text, JSON_BOUNDS.document);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function isSame(one: InspectionReport, other: InspectionReport): boolean {
  const text = ({ timestamp: _time, ...rest }: InspectionReport) => JSON.stringify(rest, sorted);
  return text(one) === text(other);
}

/** The order of keys says nothing. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
