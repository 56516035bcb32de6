import type { ConditionPatch } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS } from '../../crds/reasons.ts';
import { blockListOf, isListed } from '../../untrusted/addresses.ts';
import { networkTarget, notOffered, type SystemInfo } from '../../redfish/index.ts';

/** Conditions that an enrolment finds, or does not. */
export const FOUND_ANEW: readonly string[] = [
  CONDITIONS.unexpectedlyOn,
  CONDITIONS.networkBootNotOffered,
  CONDITIONS.networkInterfacesUnread,
  CONDITIONS.differentServer,
  CONDITIONS.bootMACUnknown,
  CONDITIONS.plainHTTP,
];

/** A BMC at this machine, as simulated ones are, is reached over no network. */
const OWN = blockListOf(['127.0.0.0/8', '::1/128']);

/** Whether an address stands for this machine; a name that begins like one (`127.example`) does not. */
function isOwn(address: string): boolean {
  const hostname = URL.canParse(address) ? new URL(address).hostname.replace(/^\[|\]$/g, '') : '';
  return isListed(hostname, OWN) || /^localhost\.?$/.test(hostname);
}

/** Set for each `http://` address, also when the attempt fails: a BMC that refuses the log-in was sent the password. */
export function plainHttp({ spec }: Pick<PhysicalHost, 'spec'>): ConditionPatch | undefined {
  const { address } = spec.redfishConnection;
  if (!/^http:/i.test(address) || isOwn(address)) return undefined;
  const message =
    'The address of the BMC starts with http://: whoever can read that network has its credentials. ' +
    'Give it as https:// where the BMC can; --require-bmc-https forbids the other.';
  return { type: CONDITIONS.plainHTTP, status: 'True', reason: 'NoTLS', message };
}

/**
 * A host is offered without them: they are needed only where its boot script is found by a MAC address that nobody has
 * set.
 */
export function interfacesUnread(problem: string): ConditionPatch {
  const message =
    `Network interfaces of the server could not be read from its BMC: ${problem}. The host is offered all the same; ` +
    'set spec.bootMACAddress where the boot script is found by MAC address.';
  return { type: CONDITIONS.networkInterfacesUnread, status: 'True', reason: 'NotReadable', message };
}

/** Said before a machine claims the host and fails with it. A BMC that lists nothing may offer it. */
export function networkBootNotOffered(
  host: PhysicalHost,
  { bootTargets = [] }: SystemInfo,
): ConditionPatch | undefined {
  const target = networkTarget(host.spec.networkBoot ?? 'PXE');
  if (bootTargets.length === 0 || bootTargets.includes(target)) return undefined;
  const message = `The BMC ${notOffered(target, bootTargets)}. A machine that claims this host fails to boot it.`;
  return { type: CONDITIONS.networkBootNotOffered, status: 'True', reason: 'TargetNotListed', message };
}
