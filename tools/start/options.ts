import path from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { defaultDataFolder } from '../controlplane/dataFolder.ts';
import { DEFAULT_PORTS } from '../controlplane/ports.ts';
import { durationMs, MAX_HOSTS } from '../../simulator/options.ts';

/** Virtual machines that one computer may be asked for; each takes half a GiB of memory. */
const MAX_VMS = 64;

/** Options of `npm start` and `npm run up`. */
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
  const kind = kindOf(args);
  const fleet = (flags: string, text: string) => hiddenIf(kind === 'up', new Option(flags, text));
  const program = new Command(`${COMMANDS[kind].name} --`)
    .description(COMMANDS[kind].description)
    .addOption(
      fleet('--once', 'end when all machines are Provisioned: exit code 0, else 1 with the reasons').default(false),
    )
    .addOption(
      fleet('--hosts <number>', `how many servers, with a machine for each (${kind === 'vm' ? 2 : 5})`).argParser(
        positive,
      ),
    )
    .addOption(
      new Option('--vm', 'the servers are virtual machines (QEMU) that really boot (npm run demo:vm)')
        .default(false)
        .hideHelp(kind !== 'start'),
    )
    .addOption(
      new Option('--vm-firmware <kind>', 'of virtual machines')
        .choices(['bios', 'uefi'])
        .default('bios')
        .hideHelp(kind === 'up'),
    )
    .addOption(
      fleet('--latency <duration>', 'how long each simulated BMC takes to answer').argParser(duration).default('20ms'),
    )
    .addOption(
      hiddenIf(kind !== 'start', fleet('--boot-time <duration>', 'how long each simulated server takes to boot'))
        .argParser(duration)
        .default('5s'),
    )
    .addOption(fleet('--timeout-minutes <number>', 'with --once: how long it may take').argParser(positive).default(10))
    .option(
      '--data-dir <folder>',
      `where the control plane keeps its data (${defaultDataFolder()}${kind === 'vm' ? '-vm' : ''})`,
      folder,
    )
    .option('--fresh', 'start with an empty control plane: the data folder is deleted first', false)
    .addOption(
      hiddenIf(
        kind === 'vm',
        new Option('--external', "use the kubeconfig's current context and Temporal as its command line is set up"),
      ).default(false),
    )
    .addOption(
      hiddenIf(kind === 'vm', new Option('--context <name>', 'with --external: another context of the kubeconfig')),
    )
    .addOption(
      hiddenIf(
        kind !== 'start',
        new Option('--examples', 'with --external: bring the simulated fleet and the examples as well'),
      ).default(false),
    )
    .addOption(new Option('--up', 'no fleet and no examples (npm run up)').default(false).hideHelp(kind !== 'start'))
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
    .addOption(fleet('--simulator-port <port>', 'control of the simulated fleet').argParser(port).default(17999))
    .addOption(
      fleet('--bmc-base-port <port>', 'simulated BMC i listens on this port + i').argParser(port).default(18000),
    )
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new WrongUsage(
      `beskar7: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')} (see ${COMMANDS[kind].name} -- --help)`,
    );
  }
  const options = program.opts<StartOptions & { hosts?: number; dataDir?: string }>();
  const { vm, hosts = vm ? 2 : 5, dataDir = `${defaultDataFolder()}${vm ? '-vm' : ''}` } = options;
  const given = (name: string) => program.getOptionValueSource(name) === 'cli';
  refuseWhatHasNoEffect(options, given);
  refuseTooMany({ ...options, hosts });
  return { ...options, hosts, dataDir: path.resolve(dataDir) };
}

const COMMANDS = {
  start: {
    name: 'npm start',
    description: 'Runs Beskar7 on an embedded control plane with a fleet of simulated servers.',
  },
  up: {
    name: 'npm run up',
    description: 'Runs Beskar7 on an embedded control plane, without servers and without examples.',
  },
  vm: {
    name: 'npm run demo:vm',
    description: 'Runs Beskar7 on an embedded control plane with virtual machines that really boot.',
  },
} as const;

/** The npm script that was called, by the flag that it puts first. */
function kindOf(args: readonly string[]): keyof typeof COMMANDS {
  if (args.includes('--up')) return 'up';
  return args.includes('--vm') ? 'vm' : 'start';
}

function hiddenIf(isHidden: boolean, option: Option): Option {
  return option.hideHelp(isHidden);
}

function hasFleet({ up, external, examples }: StartOptions): boolean {
  return !up && (!external || examples);
}

/** A flag that would be passed over in silence is a mistake of who gave it. */
function refuseWhatHasNoEffect(options: StartOptions, given: (name: string) => boolean): void {
  const { vm, up, external, once } = options;
  if (vm && (up || external)) throw new WrongUsage('beskar7: --vm does not go together with --up or --external');
  const needs = (flag: string, name: string, other: string, isThere: boolean) => {
    if (given(name) && !isThere)
      throw new WrongUsage(`beskar7: ${flag} has no effect without ${other}: leave it out, or add ${other}`);
  };
  needs('--context', 'context', '--external', external);
  needs('--examples', 'examples', '--external', external);
  needs('--vm-firmware', 'vmFirmware', '--vm', vm);
  needs('--timeout-minutes', 'timeoutMinutes', '--once', once);
  for (const [flag, name] of [
    ['--hosts', 'hosts'],
    ['--latency', 'latency'],
    ['--boot-time', 'bootTime'],
  ] as const)
    if (given(name) && !hasFleet(options))
      throw new WrongUsage(
        `beskar7: ${flag} has no effect without a fleet${external ? ': add --examples' : ' (--up has none)'}`,
      );
  if (vm && given('bootTime'))
    throw new WrongUsage('beskar7: --boot-time has no effect with --vm: those servers really boot');
  if (up && options.examples)
    throw new WrongUsage('beskar7: --examples does not go together with --up: that is without examples');
  if (up && once) throw new WrongUsage('beskar7: --once waits for machines, and --up starts without any');
}

/** The ports of the BMCs are those after --bmc-base-port: all have to exist, and none may be another's. */
function refuseTooMany(options: StartOptions): void {
  const { vm, bmcBasePort, external } = options;
  const hosts = hasFleet(options) ? options.hosts : 0;
  const most = vm ? MAX_VMS : MAX_HOSTS;
  if (hosts > most)
    throw new WrongUsage(`beskar7: --hosts ${hosts}: at most ${most}${vm ? ' virtual machines' : ''} are possible`);
  if (bmcBasePort + hosts > 65_535)
    throw new WrongUsage(
      `beskar7: --hosts ${hosts} needs the ports ${bmcBasePort + 1} to ${bmcBasePort + hosts}, the last is 65535: lower --bmc-base-port`,
    );
  const taken = new Map<number, string>();
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (!name.endsWith('Port') || name === 'bmcBasePort' || typeof value !== 'number') continue;
    // What is not started opens no port.
    if ((external && Object.hasOwn(DEFAULT_PORTS, name.slice(0, -4))) || (hosts === 0 && name === 'simulatorPort'))
      continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const other = value > bmcBasePort && value <= bmcBasePort + hosts ? '--bmc-base-port (a BMC)' : taken.get(value);
    if (other !== undefined) throw new WrongUsage(`beskar7: port ${value} is given to ${flag} and to ${other}`);
    taken.set(value, flag);
  }
}

/** Checked here, before anything is built; the simulator reads the text itself. */
function duration(text: string): string {
  try {
    durationMs(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function folder(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('give a folder.');
  return text;
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
