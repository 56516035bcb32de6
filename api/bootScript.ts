import type { BootSpec } from '../model/bootSecret.ts';
import { providerIDOf } from '../model/providerID.ts';

/** Bound of the whole script (contract, "The iPXE script"). */
const MAX_SCRIPT_BYTES = 4096;
/** Linux's COMMAND_LINE_SIZE on x86. */
const MAX_ARGUMENT_BYTES = 2048;

/** First, so that the kernel does not print the token (rule 26). */
const QUIET = 'quiet loglevel=4';
/** Under UEFI the kernel finds the initrd of iPXE by this name; elsewhere it means nothing (docs/decisions/0009). */
const EFI_INITRD = 'initrd=initrd.img';

/**
 * Characters of a URL that mean nothing to iPXE or to the kernel's parser: no white space, quote, brace, backslash,
 * control.
 */
const URL_CHARACTERS = /^https?:\/\/[A-Za-z0-9._~:/?#@!$&()*+,;=%[\]-]+$/;

/** What goes into a boot script. */
export interface BootScriptInput {
  readonly namespace: string;
  readonly host: string;
  /** Bearer token of the claim. */
  readonly token: string;
  /** MAC of the NIC that boots, in lower case with colons. */
  readonly mac?: string | undefined;
  readonly machine: BootSpec;
  /** Base URL of the callback listener, without a path. */
  readonly apiUrl: string;
  /** Base URL of the inspector image that Beskar7 serves. */
  readonly inspectorUrl: string;
  /** CA of the callback listener in PEM. */
  readonly caPem?: string | undefined;
}

/**
 * The script, or everything that is wrong with what it would be made of (no value is repeated: one of them is the
 * token).
 */
export type BootScript =
  | { readonly kind: 'script'; readonly text: string }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/**
 * Makes the iPXE script of a host: the same bytes for the same input. Every value is checked again here, since whatever
 * stands on the kernel's command line is trusted by the inspector.
 */
export function bootScript(input: BootScriptInput): BootScript {
  const image = (input.machine.inspectionImage ?? input.inspectorUrl).replace(/\/+$/, '');
  const problems = [...problemsOf(input), ...urlProblems('inspectionImage', image)];
  if (problems.length > 0) return { kind: 'invalid', problems };
  const line = kernelArguments(input);
  const bytes = Buffer.byteLength(`${QUIET} ${EFI_INITRD} ${line}`);
  if (bytes > MAX_ARGUMENT_BYTES) {
    const excess = `the kernel arguments have ${bytes} bytes, ${MAX_ARGUMENT_BYTES} are possible`;
    return { kind: 'invalid', problems: [`${excess}: shorten targetOSImage, configurationURL or the CA`] };
  }
  const url = new URL(image);
  const isScript = url.pathname.endsWith('.ipxe');
  if (!isScript && (url.search !== '' || url.hash !== '')) {
    return { kind: 'invalid', problems: ['inspectionImage: a folder cannot have a query or a fragment'] };
  }
  const lines = isScript
    ? ['#!ipxe', `set beskar7_args ${QUIET} ${line}`, `chain ${image}`]
    : ['#!ipxe', `kernel ${image}/vmlinuz ${QUIET} ${EFI_INITRD} ${line}`, `initrd ${image}/initrd.img`, 'boot'];
  const text = `${lines.join('\n')}\n`;
  if (Buffer.byteLength(text) > MAX_SCRIPT_BYTES) {
    return {
      kind: 'invalid',
      problems: [`the script has more than ${MAX_SCRIPT_BYTES} bytes: shorten inspectionImage`],
    };
  }
  return { kind: 'script', text };
}

/** In the order of the contract. `beskar7.disk` and `beskar7.ip` come before BOOTIF once a kind carries them. */
function kernelArguments(input: BootScriptInput): string {
  const { machine } = input;
  const values: readonly (readonly [string, string | undefined])[] = [
    ['beskar7.api', input.apiUrl],
    ['beskar7.namespace', input.namespace],
    ['beskar7.host', input.host],
    ['beskar7.token', input.token],
    ['beskar7.target', machine.targetOSImage],
    ['beskar7.target-digest', machine.targetOSImageDigest],
    ['beskar7.provider-id', providerIDOf(input.namespace, input.host, machine.machineName)],
    ['beskar7.ca', input.caPem === undefined ? undefined : Buffer.from(input.caPem).toString('base64')],
    ['beskar7.config', machine.configurationURL],
    ...wholeDisk(machine),
    ['BOOTIF', input.mac === undefined ? undefined : `01-${input.mac.replaceAll(':', '-')}`],
  ];
  const given = values.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return given.join(' ');
}

/** Kexec is the default of the inspector, without an argument (docs/decisions/0010). */
function wholeDisk(machine: BootSpec): [string, string | undefined][] {
  const { deployMode, hardwareRequirements, userData, nodeName } = machine;
  if (deployMode !== 'WholeDisk') return [];
  return [
    ['beskar7.mode', 'WholeDisk'],
    ['beskar7.hostname', nodeName],
    ['beskar7.user-data', userData === 'Auto' ? undefined : userData],
    ['beskar7.min-disk-gb', hardwareRequirements?.minDiskGB?.toString()],
  ];
}

function problemsOf(input: BootScriptInput): string[] {
  const { machine } = input;
  const problems: string[] = [];
  const need = (isRight: boolean, problem: string) => {
    if (!isRight) problems.push(problem);
  };
  need(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(input.namespace), 'the namespace is not a DNS label');
  need(isSubdomain(input.host), 'the name of the host is not a DNS subdomain');
  need(/^[A-Za-z0-9_-]{32,128}$/.test(input.token), 'the token is not base64url');
  need(input.mac === undefined || isMac(input.mac), 'the MAC address is malformed');
  need(isSubdomain(machine.machineName), 'the name of the machine is not a DNS subdomain');
  need(machine.nodeName === undefined || isSubdomain(machine.nodeName), 'the host name is not a DNS subdomain');
  const { configurationURL, targetOSImageDigest: digest } = machine;
  need(
    digest === undefined || /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest) || URL_CHARACTERS.test(digest),
    'targetOSImageDigest: is neither sha256:<64 hex digits>, sha512:<128 hex digits> nor the URL of a checksum file',
  );
  return [
    ...problems,
    ...urlProblems('the callback URL', input.apiUrl),
    ...urlProblems('targetOSImage', machine.targetOSImage),
    ...(configurationURL === undefined ? [] : urlProblems('configurationURL', configurationURL)),
  ];
}

function urlProblems(field: string, value: string): string[] {
  if (!URL_CHARACTERS.test(value)) {
    return [`${field}: is not an http or https URL free of white space, quotes, braces and control characters`];
  }
  return URL.canParse(value) ? [] : [`${field}: is not a URL`];
}

function isSubdomain(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);
}

function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text);
}

/** A MAC address as people and iPXE write it, in lower case with colons; undefined when it is none. */
export function normalizeMac(text: string | undefined): string | undefined {
  const mac = (text ?? '').toLowerCase().replaceAll('-', ':');
  return isMac(mac) ? mac : undefined;
}
