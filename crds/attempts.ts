import type { MachineReason } from './reasons.ts';

/** How many hosts one provisioning may try. */
export const MAX_ATTEMPTS = 10;

/** Length of what is kept of a failed attempt, in characters: all of them fit into a condition's message. */
export const MAX_ATTEMPT_TEXT = 400;

/** What is said of a machine, and after it why its attempts on other hosts have failed. */
export function withAttempts(message: string, earlierAttempts: readonly string[] = []): string {
  return [message, ...earlierAttempts].join(' ');
}

/** After these another host is tried, as long as `spec.attempts` allows it: they may be the server's fault. */
const OF_THE_HOST: ReadonlySet<string> = new Set<MachineReason>([
  'BootFailed',
  'InspectionTimeout',
  'HardwareRequirementsNotMet',
  'ProvisionFailed',
  'ProvisioningTimeout',
]);

/** The same of the reason in a claim that is being released: `<reason>: <message>`. */
export function mayTryAnotherHost(reason: string | undefined): boolean {
  return OF_THE_HOST.has((reason ?? '').split(': ')[0] ?? '');
}
