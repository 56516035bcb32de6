import { Agent, request } from 'undici';
import { wait } from './inspector.ts';
import { parseScript, type BootPlan } from './ipxe.ts';

const CHAIN_LIMIT = 5;
const SCRIPT_TRIES = 10;

/** The firmware of a server that boots from the network. */
export interface Firmware {
  readonly mac: string;
  /** What DHCP hands out; `${net0/mac}` and `${netX/mac}` in it are replaced. */
  readonly bootUrl: string;
  /** Where its requests come from; undefined: as the operating system chooses. */
  readonly localAddress: string | undefined;
  /** Called for each script that was fetched. */
  fetched(): void;
  /** Writes a line to the console of the server. */
  say(line: string): void;
}

/** DHCP hands out one fixed address; iPXE fetches it, and continues where a script chains to another. */
export async function fetchBootPlan(firmware: Firmware, signal: AbortSignal): Promise<BootPlan> {
  const { mac, bootUrl } = firmware;
  // netX is the interface that is open, net0 the first one: a server of the fleet has one that boots.
  const settings = new Map([
    ['netX/mac', mac],
    ['net0/mac', mac],
  ]);
  let url = bootUrl.replaceAll(/\$\{net[0X]\/mac\}/g, mac);
  for (let hops = 0; hops < CHAIN_LIMIT; hops += 1) {
    const text = await fetchScript(url, firmware, signal);
    const script = parseScript(text, settings);
    if (script.kind === 'boot') return script.plan;
    // A script of the user's own: nobody serves it here. It would boot the image with beskar7_args.
    const args = settings.get('beskar7_args');
    if (args !== undefined) return { kernel: script.url, args: args.split(/\s+/), initrd: [] };
    url = script.url;
  }
  throw new Error('the scripts chain in a circle');
}

async function fetchScript(
  url: string,
  { localAddress, fetched, say }: Firmware,
  signal: AbortSignal,
): Promise<string> {
  const from = localAddress === undefined ? {} : { localAddress };
  const dispatcher = new Agent({ connections: 1, ...from });
  try {
    for (let tries = 1; ; tries += 1) {
      const answer = await askForScript(url, dispatcher, signal);
      if (answer.kind === 'script') {
        fetched();
        return answer.text;
      }
      say(`boot script: ${answer.why}`);
      // Firmware tries the network a few times, also while nobody listens.
      if (tries >= SCRIPT_TRIES) throw new Error(`no boot script (${answer.why})`);
      await wait(1_000, signal);
    }
  } finally {
    await dispatcher.destroy();
  }
}

async function askForScript(
  url: string,
  dispatcher: Agent,
  signal: AbortSignal,
): Promise<{ kind: 'script'; text: string } | { kind: 'none'; why: string }> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal: limit });
    const text = await body.text();
    return statusCode === 200 ? { kind: 'script', text } : { kind: 'none', why: `HTTP ${statusCode}` };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'none', why: (error as Error).message };
  }
}
