import { LABEL_REGION, LABEL_ZONE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';

/**
 * What the OS of a machine is told about where it runs, beside its providerID and host name: fields of the meta-data of
 * its config drive (decision 0026). The keys are those that templates read (`ds.meta_data.node_labels`).
 */
export interface NodeMetadata {
  /** Label topology.kubernetes.io/zone of the host; absent where it has none. */
  readonly failure_domain?: string;
  /** Label topology.kubernetes.io/region of the host; absent where it has none. */
  readonly region?: string;
  /** For the kubelet's `--node-labels`: `key=value`, comma separated, in the order of the keys; may be empty. */
  readonly node_labels: string;
}

/** Labels that the Node gets, with how many were left off. */
export interface NodeLabels {
  readonly text: string;
  readonly leftOff: number;
}

/** Bound of `node_labels`, in bytes: it travels in a header, and becomes one argument of the kubelet. */
const MAX_LABEL_BYTES = 4096;

/**
 * The labels of a host that its Node gets: zone and region, and those whose prefix (`<prefix>/<name>`) is one of
 * `prefixes`. What does not fit into 4 KiB is left off from the end, zone and region last.
 */
export function nodeLabels({ metadata }: PhysicalHost, prefixes: readonly string[]): NodeLabels {
  const labels = Object.entries(metadata.labels ?? {});
  const isTopology = (key: string) => key === LABEL_ZONE || key === LABEL_REGION;
  const wanted = labels
    .filter(([key]) => isTopology(key) || prefixes.includes(key.slice(0, Math.max(0, key.indexOf('/')))))
    .sort(([a], [b]) => Number(isTopology(b)) - Number(isTopology(a)) || (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  let bytes = 0;
  const kept = wanted.filter((label) => (bytes += label.length + 1) <= MAX_LABEL_BYTES);
  return { text: kept.sort().join(','), leftOff: wanted.length - kept.length };
}

/** The meta-data of a machine on a host; `labels` as `nodeLabels` gave them. */
export function nodeMetadata({ metadata }: PhysicalHost, labels: NodeLabels): NodeMetadata {
  const zone = metadata.labels?.[LABEL_ZONE];
  const region = metadata.labels?.[LABEL_REGION];
  return {
    ...(zone ? { failure_domain: zone } : {}),
    ...(region ? { region } : {}),
    node_labels: labels.text,
  };
}
