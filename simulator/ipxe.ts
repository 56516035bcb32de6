/** What an iPXE script boots. */
export interface BootPlan {
  readonly kernel: string;
  readonly args: readonly string[];
  readonly initrd: readonly string[];
}

/** What a script asks for at its end. */
export type Script =
  { readonly kind: 'boot'; readonly plan: BootPlan } | { readonly kind: 'chain'; readonly url: string };

/** A script that iPXE would refuse. */
export class ScriptError extends Error {}

const LIMIT = 4_096;

/**
 * Reads a script as iPXE does: `#!ipxe` first, then `set`, `kernel`, `initrd`, `chain`, `boot`; `${name}` is replaced
 * by settings; `#` starts a comment; `||` and `&&` join commands. `settings` come from the firmware (netX/mac and so
 * on) and from earlier scripts of a chain.
 */
export function parseScript(text: string, settings: Map<string, string>): Script {
  if (Buffer.byteLength(text) > LIMIT) throw new ScriptError(`the script has more than ${LIMIT} bytes`);
  const lines = text.split('\n');
  if (lines[0]?.trim() !== '#!ipxe') throw new ScriptError('the script does not start with #!ipxe');
  let kernel: string | undefined;
  let args: string[] = [];
  const initrd: string[] = [];
  for (const line of lines.slice(1)) {
    const command = line.split(/\|\||&&/)[0]?.trim() ?? '';
    if (command === '' || command.startsWith('#')) continue;
    const [verb = '', ...words] = expand(command, settings).split(/\s+/);
    const rest = words.filter((word) => !word.startsWith('--'));
    switch (verb) {
      case 'set':
        settings.set(rest[0] ?? '', rest.slice(1).join(' '));
        break;
      case 'kernel':
        kernel = rest[0];
        args = rest.slice(1);
        break;
      case 'initrd':
        if (rest[0] !== undefined) initrd.push(rest[0]);
        break;
      case 'chain':
        if (rest[0] === undefined) throw new ScriptError('chain without an address');
        return { kind: 'chain', url: rest[0] };
      case 'boot':
        if (kernel === undefined) throw new ScriptError('boot without a kernel');
        return { kind: 'boot', plan: { kernel, args, initrd } };
      case 'dhcp':
      case 'echo':
      case 'sleep':
        break;
      default:
        throw new ScriptError(`${verb}: command not found`);
    }
  }
  throw new ScriptError('the script ends without boot');
}

function expand(text: string, settings: Map<string, string>): string {
  return text.replace(/\$\{([^}]*)\}/g, (_all, name: string) => settings.get(name.split(':')[0] ?? '') ?? '');
}

/** The beskar7 parameters of a kernel command line, by name without the prefix. */
export function beskar7Parameters(args: readonly string[]): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const arg of args) {
    const at = arg.indexOf('=');
    if (at < 0 || !arg.startsWith('beskar7.')) continue;
    parameters.set(arg.slice('beskar7.'.length, at), arg.slice(at + 1));
  }
  return parameters;
}
