import type { Beskar7Machine, HardwareRequirements, LabelSelector } from '../crds/beskar7Machine.ts';
import { LABEL_ZONE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isRetryAsked } from './handled.ts';
import { knownShortfall } from './knownHardware.ts';
import { matchesSelector } from './selector.ts';

/** What a machine asks of a host before it is inspected. */
export interface Demand {
  readonly selector: LabelSelector | undefined;
  /** Held against what the last report of a host says, where it has one. */
  readonly requirements: HardwareRequirements | undefined;
  /** The zone that the owner Machine names. */
  readonly failureDomain: string | undefined;
  /** Names of hosts that were tried already. */
  readonly tried: readonly string[];
}

/**
 * The requirements that last reports are held against before a claim. None where a person asks to try again
 * (`beskar7.io/retry`): hardware may have been changed since its report, and is inspected.
 */
export function requirementsAtClaim(machine: Beskar7Machine): HardwareRequirements | undefined {
  return isRetryAsked(machine) ? undefined : machine.spec.hardwareRequirements;
}

/**
 * Why a host is not what is asked for, in words that follow a count ("3 in other zones"); undefined when it is. Whether
 * it is free is not asked.
 */
export function mismatch(host: PhysicalHost, demand: Demand): string | undefined {
  const { selector, requirements, failureDomain, tried } = demand;
  const { labels, name } = host.metadata;
  if (!matchesSelector(selector, labels)) return 'with other labels';
  if (failureDomain !== undefined && labels?.[LABEL_ZONE] !== failureDomain) return 'in other zones';
  if (tried.includes(name)) return 'tried already';
  return knownShortfall(requirements, host);
}
