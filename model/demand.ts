import type { LabelSelector } from '../crds/beskar7Machine.ts';
import { LABEL_ZONE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { matchesSelector } from './selector.ts';

/** What a machine asks of a host before it is inspected. */
export interface Demand {
  readonly selector: LabelSelector | undefined;
  /** The zone that the owner Machine names. */
  readonly failureDomain: string | undefined;
  /** Names of hosts that were tried already. */
  readonly tried: readonly string[];
}

/**
 * Why a host is not what is asked for, in words that follow a count ("3 in other zones"); undefined when it is. Whether
 * it is free is not asked.
 */
export function mismatch({ metadata }: PhysicalHost, { selector, failureDomain, tried }: Demand): string | undefined {
  const { labels, name } = metadata;
  if (!matchesSelector(selector, labels)) return 'with other labels';
  if (failureDomain !== undefined && labels?.[LABEL_ZONE] !== failureDomain) return 'in other zones';
  if (tried.includes(name)) return 'tried already';
  return undefined;
}
