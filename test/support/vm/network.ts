import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe } from '@jest/globals';
import { runCommand } from '../../../tools/toolchain/command.ts';
import { missingForVms } from '../../../simulator/vm/command.ts';

const PROGRAMS = ['ip', 'dnsmasq', 'dhcpd', 'kea-dhcp4'];

const missing = [
  ...missingForVms('uefi'),
  ...PROGRAMS.filter((name) => spawnSync('which', [name]).status !== 0),
  ...(process.getuid?.() === 0 ? [] : ['root, which network namespaces need']),
];
if (missing.length > 0)
  process.stderr.write(`beskar7: the tests of a real network boot are SKIPPED: there is no ${missing.join(', no ')}\n`);

/** Tests with DHCP and TFTP servers in a network namespace; skipped, and said so, where that cannot be. */
export const describeWithNetwork = missing.length > 0 ? describe.skip : describe;

/**
 * A network of its own: a namespace with a bridge `br0`, on it a tap device for one virtual machine, and a cable to
 * this machine, whose end has the address `10.77.0.1/24`. The bridge itself is 10.77.0.2.
 */
export class TestNetwork {
  readonly namespace: string;
  readonly tap = 'tap0';
  readonly address = '10.77.0.1';
  readonly #cable: string;
  readonly #children = new Map<ChildProcess, { lines: string[] }>();

  private constructor(namespace: string, cable: string) {
    this.namespace = namespace;
    this.#cable = cable;
  }

  static async create(): Promise<TestNetwork> {
    const network = new TestNetwork(`b7-${process.pid}`, `b7-${process.pid}`);
    const { namespace } = network;
    const cable = network.#cable;
    await ip('netns', 'add', namespace);
    await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'up0', 'netns', namespace);
    const inside = (...words: string[]) => ip('-n', namespace, ...words);
    await inside('link', 'add', 'br0', 'type', 'bridge');
    await inside('tuntap', 'add', network.tap, 'mode', 'tap');
    for (const device of ['up0', network.tap]) await inside('link', 'set', device, 'master', 'br0');
    for (const device of ['lo', 'up0', network.tap, 'br0']) await inside('link', 'set', device, 'up');
    await inside('addr', 'add', '10.77.0.2/24', 'dev', 'br0');
    await ip('addr', 'add', `${network.address}/24`, 'dev', cable);
    await ip('link', 'set', cable, 'up');
    return network;
  }

  /**
   * Runs a server inside, resolves when a line of it shows that it is ready. Rejects, with what it said, when it ends
   * before.
   */
  async serve(ready: RegExp, file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string[]> {
    const words = ['netns', 'exec', this.namespace, file, ...args];
    const child = spawn('ip', words, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    this.#children.set(child, { lines });
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        createInterface({ input: stream }).on('line', (line) => {
          lines.push(line);
          if (ready.test(line)) resolve();
        });
      child.once('close', () => reject(new Error(`${file} ended: ${lines.slice(-5).join('\n')}`)));
    });
    return lines;
  }

  /** Ends the servers, so that others can take their place. */
  async stopServers(): Promise<void> {
    const children = [...this.#children.keys()];
    this.#children.clear();
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const closed = once(child, 'close');
        child.kill('SIGTERM');
        await closed;
      }),
    );
  }

  async remove(): Promise<void> {
    await this.stopServers();
    await ip('link', 'del', this.#cable);
    await ip('netns', 'del', this.namespace);
  }
}

async function ip(...words: string[]): Promise<void> {
  const { code, output } = await runCommand('ip', words, { timeoutMs: 10_000 });
  if (code !== 0) throw new Error(`ip ${words.join(' ')}: ${output.trim()}`);
}
