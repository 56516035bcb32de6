import type { MachineReason } from './reasons.ts';

/** How many hosts one provisioning may try. */
export const MAX_ATTEMPTS = 10;

/** Length of what is kept of a failed attempt, in characters: all of them fit into a condition's message. */
export const MAX_ATTEMPT_TEXT = 400;

/** A message about a machine, followed by why its attempts on other hosts have failed. */
export function withAttempts(message: string, earlierAttempts: readonly string[] = []): string {
  return [message, ...earlierAttempts].join(' ');
}

/** They may be the server's fault: after them another host is tried, as long as `spec.attempts` allows it. */
const OF_THE_HOST: ReadonlySet<string> = new Set<MachineReason>([
  'BootFailed',
  'DifferentServer',
  'InspectionTimeout',
  'HardwareRequirementsNotMet',
  'ProvisionFailed',
  'ProvisioningTimeout',
]);

/** Whether another host may be tried after a failure for this reason. */
export function mayTryAnotherHost(reason: string): boolean {
  return OF_THE_HOST.has(reason);
}
