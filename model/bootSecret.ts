import { JSON_BOUNDS, parseJson } from '../untrusted/json.ts';
import type { Beskar7MachineSpec } from '../crds/beskar7Machine.ts';

/**
 * What the boot script is made of beside the claim: it stands in the Secret of the claim, so that each fetch gives the
 * same bytes.
 */
export type BootSpec = Pick<
  Beskar7MachineSpec,
  | 'inspectionImage'
  | 'targetOSImage'
  | 'targetOSImageDigest'
  | 'configurationURL'
  | 'deployMode'
  | 'hardwareRequirements'
  | 'userData'
> & {
  /** Name of the Beskar7Machine, which stands in the providerID. */
  readonly machineName: string;
  /** Host name of the OS; absent: that of the PhysicalHost. */
  readonly nodeName?: string;
};

/**
 * Type of the Secrets with the token of a claim. An admission policy (deploy/manifests/claims.yaml) keeps it for
 * Beskar7.
 */
export const BOOT_SECRET_TYPE = 'beskar7.io/boot';

/** Length limit of a Secret's name (a DNS subdomain). */
const LIMIT = 253;

/**
 * First name of the Secret with token and nonce of a claim: `<host>-boot-<claim id>`, the host's part cut where needed.
 */
export function bootSecretName(host: string, claimId: string): string {
  const suffix = `-boot-${claimId}`;
  return host.slice(0, LIMIT - suffix.length).replace(/[-.]+$/, '') + suffix;
}

/** What goes into the Secret of a machine with that name. */
export function bootSpecOf(spec: Beskar7MachineSpec, machine: string): BootSpec {
  const { hostname, ...rest } = spec;
  return { ...rest, machineName: machine, ...(hostname === 'Host' ? {} : { nodeName: machine }) };
}

/** As text, with its own fields only. */
export function bootSpecText(spec: BootSpec): string {
  const { inspectionImage, targetOSImage, targetOSImageDigest, configurationURL, deployMode, hardwareRequirements } =
    spec;
  return JSON.stringify({
    inspectionImage,
    targetOSImage,
    targetOSImageDigest,
    configurationURL,
    deployMode,
    hardwareRequirements,
    userData: spec.userData,
    nodeName: spec.nodeName,
    machineName: spec.machineName,
  } satisfies Record<keyof BootSpec, unknown>);
}

/** What `bootSpecText` made. Throws on other text. */
export function parseBootSpec(text: string): BootSpec {
  const value = parseJson(text, JSON_BOUNDS.annotation) as Partial<BootSpec> | null;
  if (typeof value?.targetOSImage !== 'string' || typeof value.machineName !== 'string')
    throw new SyntaxError('this is not what a boot script is made of');
  return value as BootSpec;
}
