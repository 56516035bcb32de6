import type { Profile } from './profiles.ts';
import { failure, type RedfishAnswer } from './redfishAnswer.ts';
import type { BootOverride } from './poweredServer.ts';

/** What may stand in `BootSourceOverrideTarget`. */
export const BOOT_TARGETS = ['None', 'Pxe', 'Hdd', 'Cd', 'BiosSetup'];
/** What may stand in `BootSourceOverrideEnabled`. */
export const BOOT_ENABLED: readonly BootOverride['enabled'][] = ['Once', 'Continuous', 'Disabled'];
/** What may stand in `BootSourceOverrideMode`. */
export const BOOT_MODES = ['UEFI', 'Legacy'];

/** The refusal of a boot PATCH, by the values of DSP2046 and the habits of the profile; undefined when it is taken. */
export function refuseBootPatch(profile: Profile, boot: Readonly<Record<string, unknown>>): RedfishAnswer | undefined {
  const { bootMode, targetRequired, clearWith } = profile;
  const { BootSourceOverrideTarget: target, BootSourceOverrideEnabled: enabled, BootSourceOverrideMode: mode } = boot;
  if (Object.keys(boot).length === 0) return failure(400, 'Base.1.8.PropertyMissing', 'Boot is missing.');
  if (mode !== undefined && (bootMode === 'refused' || bootMode === 'absent')) {
    return failure(400, 'Base.1.8.PropertyNotWritable', 'BootSourceOverrideMode is not writable.');
  }
  if (mode === undefined && bootMode === 'required') {
    return failure(400, 'Base.1.8.PropertyMissing', 'BootSourceOverrideMode is required.');
  }
  if (targetRequired && target === undefined) {
    return failure(400, 'Base.1.8.PropertyMissing', 'BootSourceOverrideTarget is required.');
  }
  const odd =
    oneOf('BootSourceOverrideTarget', target, BOOT_TARGETS) ??
    oneOf('BootSourceOverrideEnabled', enabled, BOOT_ENABLED) ??
    oneOf('BootSourceOverrideMode', mode, BOOT_MODES);
  if (odd) return odd;
  if (enabled === 'Disabled' && typeof target === 'string' && !clearWith.includes(target)) {
    const why = `BootSourceOverrideTarget ${target} is not allowed with Disabled.`;
    return failure(400, 'Base.1.8.PropertyValueNotInList', why);
  }
  return undefined;
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): RedfishAnswer | undefined {
  if (value === undefined || (typeof value === 'string' && allowed.includes(value))) return undefined;
  return failure(
    400,
    'Base.1.8.PropertyValueNotInList',
    `The value ${JSON.stringify(value)} of ${name} is not in the list.`,
  );
}

/** Does what a boot PATCH that was taken says. */
export function applyBootPatch(override: BootOverride, boot: Readonly<Record<string, unknown>>): void {
  const { BootSourceOverrideTarget: target, BootSourceOverrideEnabled: enabled, BootSourceOverrideMode: mode } = boot;
  if (typeof target === 'string') override.target = target;
  if (typeof enabled === 'string') override.enabled = enabled as BootOverride['enabled'];
  if (override.enabled === 'Disabled') override.target = 'None';
  if (typeof mode === 'string') override.mode = mode;
}
