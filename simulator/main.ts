import path from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { listenControl } from './control.ts';
import { startFleet } from './fleet.ts';
import { DEFAULTS, durationMs, durationText, MAX_HOSTS } from './options.ts';
import { PROFILES } from './profiles.ts';
import { missingForVms } from './vm/command.ts';
import { VM_DEFAULTS } from './vm/options.ts';

/** `npm run simulator`: a fleet in a process of its own. */

const duration = (text: string) => {
  try {
    return durationMs(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
};
const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
    throw new InvalidArgumentError(`give a whole number from ${least} to ${most}.`);
  return value;
};
const port = whole(0, 65_535);
/** The default as it would be given: `20ms`, not `20`. */
const timed = (flags: string, text: string, ms: number) =>
  new Option(flags, text).argParser(duration).default(ms, durationText(ms));

const program = new Command('npm run simulator --')
  .description('A fleet of simulated BMCs with servers behind them: real HTTP, real iPXE scripts, real reports.')
  .option('--hosts <number>', 'how many', whole(1, MAX_HOSTS), DEFAULTS.hosts)
  .addOption(timed('--latency <duration>', 'how long a BMC takes to answer', DEFAULTS.latencyMs))
  .addOption(timed('--boot-time <duration>', 'from power-on until the network boot', DEFAULTS.bootTimeMs))
  .addOption(timed('--power-delay <duration>', 'how long power takes to change', DEFAULTS.powerDelayMs))
  .option('--bind <address>', 'address of the BMCs', DEFAULTS.bind)
  .option('--base-port <port>', 'BMC i listens on this port + i', port, DEFAULTS.basePort)
  .option('--control-port <port>', 'the control route', port, 17_999)
  .option('--boot-url <url>', 'what DHCP hands out; ${netX/mac} is replaced', DEFAULTS.bootUrl)
  .option('--profile <name>', `mixed, ${Object.keys(PROFILES).join(', ')}, or several with commas`, DEFAULTS.profile)
  .option('--username <name>', 'of every BMC', DEFAULTS.username)
  .option('--password <word>', 'of every BMC', DEFAULTS.password)
  .addOption(timed('--bootstrap-poll <duration>', 'between two polls of bootstrap data', DEFAULTS.bootstrapPollMs))
  .option('--os-ready-after <duration>', 'the final OS reports in this long after kexec', duration)
  .addOption(
    new Option('--report-form <form>', 'of the hardware report')
      .choices(['architecture', 'v4.2'])
      .default(DEFAULTS.reportForm),
  )
  .option('--own-source-addresses', 'each server calls from its own loopback address (Linux)', false)
  .option('--seed <number>', 'of all chance', whole(0, 2 ** 31), DEFAULTS.seed)
  .option('--vm', 'the servers are virtual machines (QEMU)', false)
  .addOption(
    new Option('--vm-firmware <kind>', 'of virtual machines').choices(['bios', 'uefi']).default(VM_DEFAULTS.firmware),
  )
  .option('--vm-memory <MiB>', 'of each virtual machine', whole(256, 1_048_576), VM_DEFAULTS.memoryMiB)
  .option(
    '--vm-disk <GB>',
    'size of the disk of each virtual machine',
    whole(1, 10_000),
    VM_DEFAULTS.diskBytes[0] / 1e9,
  )
  .option('--vm-folder <folder>', 'disks and consoles of the virtual machines', 'beskar7-vms')
  .option('--state-file <file>', 'power states and boot overrides survive a restart in this file')
  .allowExcessArguments(false)
  .configureOutput({ writeErr: () => undefined })
  .showSuggestionAfterError(false)
  .exitOverride();

try {
  program.parse();
  const o = program.opts<Record<string, never>>() as unknown as Options;
  const missing = o.vm ? missingForVms(o.vmFirmware) : [];
  if (missing.length > 0) throw new Error(`virtual machines need ${missing.join(' and ')}`);
  const fleet = await startFleet({
    hosts: o.hosts,
    latencyMs: o.latency,
    bootTimeMs: o.bootTime,
    powerDelayMs: o.powerDelay,
    bind: o.bind,
    basePort: o.basePort,
    bootUrl: o.bootUrl,
    profile: o.profile,
    username: o.username,
    password: o.password,
    bootstrapPollMs: o.bootstrapPoll,
    reportForm: o.reportForm,
    ownSourceAddresses: o.ownSourceAddresses,
    seed: o.seed,
    ...(o.osReadyAfter === undefined ? {} : { osReadyAfterMs: o.osReadyAfter }),
    ...(o.vm
      ? {
          vm: {
            firmware: o.vmFirmware,
            memoryMiB: o.vmMemory,
            diskBytes: [o.vmDisk * 1e9],
            folder: path.resolve(o.vmFolder),
          },
        }
      : {}),
    ...(o.stateFile === undefined ? {} : { stateFile: o.stateFile }),
  });
  const control = await listenControl(fleet, o.bind, o.controlPort);
  process.stdout.write(
    `simulator: ${fleet.hosts.length} BMCs on ${o.bind}:${o.basePort + 1}-${o.basePort + fleet.hosts.length}, control on http://${o.bind}:${o.controlPort}\n`,
  );
  const stop = () => {
    control.close();
    control.closeAllConnections();
    void fleet.stop().then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0)
      process.stderr.write(`simulator: ${error.message.replace(/^error: /, '')} (see --help)\n`);
    process.exit(error.exitCode === 0 ? 0 : 2);
  }
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  const why =
    code === 'EADDRINUSE'
      ? `port ${port} is in use; choose others with --base-port and --control-port`
      : (error as Error).message;
  process.stderr.write(`simulator: ${why}\n`);
  process.exit(2);
}

interface Options {
  readonly hosts: number;
  readonly latency: number;
  readonly bootTime: number;
  readonly powerDelay: number;
  readonly bind: string;
  readonly basePort: number;
  readonly controlPort: number;
  readonly bootUrl: string;
  readonly profile: string;
  readonly username: string;
  readonly password: string;
  readonly bootstrapPoll: number;
  readonly osReadyAfter?: number;
  readonly reportForm: 'architecture' | 'v4.2';
  readonly ownSourceAddresses: boolean;
  readonly seed: number;
  readonly vm: boolean;
  readonly vmFirmware: 'bios' | 'uefi';
  readonly vmMemory: number;
  readonly vmDisk: number;
  readonly vmFolder: string;
  readonly stateFile?: string;
}
