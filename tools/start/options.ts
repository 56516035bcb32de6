import path from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { defaultDataFolder } from '../controlplane/dataFolder.ts';
import { DEFAULT_PORTS } from '../controlplane/ports.ts';

/** What `npm start` and `npm run up` can be told. */
export interface StartOptions {
  /** `npm run up`: no fleet and no examples. */
  readonly up: boolean;
  readonly once: boolean;
  readonly hosts: number;
  /** The servers are virtual machines that really boot. */
  readonly vm: boolean;
  readonly vmFirmware: 'bios' | 'uefi';
  readonly latency: string;
  readonly bootTime: string;
  readonly timeoutMinutes: number;
  readonly dataDir: string;
  readonly fresh: boolean;
  readonly external: boolean;
  readonly examples: boolean;
  readonly context?: string;
  readonly apiServerPort: number;
  readonly etcdPort: number;
  readonly etcdPeerPort: number;
  readonly temporalPort: number;
  readonly temporalUiPort: number;
  readonly callbackPort: number;
  readonly bootPort: number;
  readonly metricsPort: number;
  readonly healthPort: number;
  readonly webPort: number;
  readonly simulatorPort: number;
  readonly bmcBasePort: number;
}

/** A wrong flag: one line, exit code 2. */
export class WrongUsage extends Error {}

/** Reads the flags; undefined when `--help` was printed. Throws WrongUsage. */
export function parseStartOptions(args: readonly string[]): StartOptions | undefined {
  const program = new Command('npm start --')
    .description('Runs Beskar7 on an embedded control plane with a fleet of simulated servers.')
    .option('--once', 'end when all machines are Provisioned: exit code 0, else 1 with the reasons', false)
    .option('--hosts <number>', 'how many servers, with a machine for each (5; with --vm 2)', positive)
    .option('--vm', 'the servers are virtual machines (QEMU) that really boot (npm run demo:vm)', false)
    .addOption(new Option('--vm-firmware <kind>', 'of virtual machines').choices(['bios', 'uefi']).default('bios'))
    .option('--latency <duration>', 'how long each simulated BMC takes to answer', '20ms')
    .option('--boot-time <duration>', 'how long each simulated server takes to boot', '5s')
    .option('--timeout-minutes <number>', 'with --once: how long it may take', positive, 10)
    .option('--data-dir <folder>', `where the control plane keeps its data (${defaultDataFolder()}; with --vm …-vm)`)
    .option('--fresh', 'begin with an empty control plane: the data folder is deleted first', false)
    .option('--external', "use the kubeconfig's current context and Temporal as its command line is set up", false)
    .option('--context <name>', 'with --external: another context of the kubeconfig')
    .option('--examples', 'with --external: bring the simulated fleet and the examples as well', false)
    .option('--up', 'no fleet and no examples (npm run up)', false)
    .option('--api-server-port <port>', 'kube-apiserver', port, DEFAULT_PORTS.apiServer)
    .option('--etcd-port <port>', 'etcd', port, DEFAULT_PORTS.etcd)
    .option('--etcd-peer-port <port>', 'etcd, peers', port, DEFAULT_PORTS.etcdPeer)
    .option('--temporal-port <port>', 'Temporal', port, DEFAULT_PORTS.temporal)
    .option('--temporal-ui-port <port>', "Temporal's Web UI", port, DEFAULT_PORTS.temporalUi)
    .option('--callback-port <port>', 'callbacks of booting servers', port, 8082)
    .option('--boot-port <port>', 'boot scripts', port, 8083)
    .option('--metrics-port <port>', 'metrics', port, 8080)
    .option('--health-port <port>', 'health', port, 8081)
    .option('--web-port <port>', 'the web page', port, 8090)
    .option('--simulator-port <port>', 'control of the simulated fleet', port, 17999)
    .option('--bmc-base-port <port>', 'simulated BMC i listens on this port + i', port, 18000)
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new WrongUsage(
      `beskar7: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')} (see npm start -- --help)`,
    );
  }
  const options = program.opts<StartOptions & { hosts?: number; dataDir?: string }>();
  const { vm, up, external, hosts = vm ? 2 : 5, dataDir = `${defaultDataFolder()}${vm ? '-vm' : ''}` } = options;
  if (vm && (up || external)) throw new WrongUsage('beskar7: --vm does not go together with --up or --external');
  return { ...options, hosts, dataDir: path.resolve(dataDir) };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('give a whole number above 0.');
  return value;
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new InvalidArgumentError('give a port, 1 to 65535.');
  return value;
}
