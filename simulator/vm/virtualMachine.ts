import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, closeSync, ftruncateSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { FaultSet } from '../faults.ts';
import type { Hardware } from '../hardware.ts';
import type { FleetOptions } from '../options.ts';
import type { BootOverride, KeptState, Power, PowerChange, PoweredServer, ServerState } from '../poweredServer.ts';
import type { Profile } from '../profiles.ts';
import { ovmf, QEMU, qemuArguments, type VmFiles } from './command.ts';
import type { VmOptions } from './options.ts';
import { QemuMonitor } from './qmp.ts';

const CONSOLE_LINES = 200;
const STDERR_BYTES = 2_000;

/** A QEMU process while it runs. */
interface Running {
  readonly child: ChildProcess;
  readonly monitor: QemuMonitor;
  readonly gone: Promise<void>;
  /** Why it ends, once that is known. */
  why: string;
  /** What follows when it has ended. */
  then?: () => void;
}

/**
 * A server that is a QEMU process: on is that it runs. It boots as the override says, `Once` is consumed at power-on;
 * firmware, kernel and all that follows are real. What it says stands in `console.log` of its folder.
 */
export class VirtualMachine implements PoweredServer {
  readonly override: BootOverride;
  readonly state: ServerState = {
    power: 'Off',
    running: 'nothing',
    boots: 0,
    networkBoots: 0,
    scriptsFetched: 0,
    reportsSent: 0,
    kexecs: 0,
  };
  readonly powerLog: PowerChange[] = [];
  readonly console: string[] = [];
  readonly userData = '';
  readonly hardware: Hardware;
  readonly files: VmFiles;
  readonly #name: string;
  readonly #options: FleetOptions;
  readonly #vm: VmOptions;
  readonly #faults: FaultSet;
  readonly #random: () => number;
  readonly #sockets: string;
  #running: Running | undefined;
  #changing: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(parts: {
    name: string;
    mac: string;
    serial: string;
    profile: Profile;
    options: FleetOptions;
    vm: VmOptions;
    faults: FaultSet;
    random: () => number;
  }) {
    const { name, mac, serial, profile, options, vm } = parts;
    this.#name = name;
    this.#options = options;
    this.#vm = vm;
    this.#faults = parts.faults;
    this.#random = parts.random;
    this.override = { target: 'None', enabled: 'Disabled', mode: vm.firmware === 'uefi' ? 'UEFI' : 'Legacy' };
    this.hardware = {
      packages: 1,
      coresPerPackage: 1,
      memoryGiB: vm.memoryMiB / 1_024,
      diskBytes: vm.diskBytes,
      manufacturer: profile.manufacturer,
      model: profile.model,
      serial,
      mac,
      uuid: `b7000000-0000-4000-8000-${mac.replaceAll(':', '')}`,
    };
    const folder = path.join(vm.folder, name);
    mkdirSync(folder, { recursive: true });
    // Elsewhere, since the path of a socket may not be long.
    this.#sockets = mkdtempSync(path.join(os.tmpdir(), 'b7vm-'));
    this.files = {
      disks: vm.diskBytes.map((_, index) => path.join(folder, `disk${index}.raw`)),
      console: path.join(folder, 'console.log'),
      monitor: path.join(this.#sockets, 'qmp'),
      variables: path.join(folder, 'firmware-variables.fd'),
    };
    this.#makeFiles();
  }

  reset(type: string): void {
    if (this.#faults.take('powerStuck') || this.#faults.strikes('powerLost', this.#random)) return;
    switch (type) {
      case 'On':
      case 'ForceOn':
        if (this.state.power === 'Off') this.#after('PoweringOn', type, () => this.#start(type));
        break;
      case 'GracefulShutdown':
        this.#running?.monitor.powerDown();
        break;
      case 'ForceOff':
        if (this.state.power !== 'Off') this.#after('PoweringOff', type, () => this.#end(type));
        break;
      default:
        if (this.state.power === 'Off') break;
        this.#after('PoweringOff', type, () => this.#end(type, () => this.#start(type)));
    }
  }

  press(power: 'On' | 'Off'): void {
    if (this.state.power === power) return;
    clearTimeout(this.#changing);
    if (power === 'On') this.#start('button');
    else this.#end('button');
  }

  /** A machine does not outlive this process: what was on is off afterwards. */
  kept(): KeptState {
    return { power: 'Off', running: 'nothing', override: { ...this.override } };
  }

  restore({ override }: KeptState): void {
    Object.assign(this.override, override);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#changing);
    const { gone } = this.#running ?? {};
    this.#end('the simulator ends');
    await gone;
    rmSync(this.#sockets, { recursive: true, force: true });
  }

  say(line: string): void {
    this.console.push(`${new Date().toISOString()} ${line}`);
    if (this.console.length > CONSOLE_LINES) this.console.shift();
  }

  #makeFiles(): void {
    // There from the beginning, so that it can be watched.
    closeSync(openSync(this.files.console, 'a'));
    for (const [index, file] of this.files.disks.entries()) {
      const opened = openSync(file, 'a');
      ftruncateSync(opened, this.#vm.diskBytes[index] ?? 0);
      closeSync(opened);
    }
    const template = this.#vm.firmware === 'uefi' ? ovmf()?.variables : undefined;
    if (template !== undefined && !existsSync(this.files.variables)) copyFileSync(template, this.files.variables);
  }

  /** A command of the BMC takes effect after the power delay; a later one takes its place. */
  #after(during: Power, why: string, act: () => void): void {
    clearTimeout(this.#changing);
    this.#set(during, why);
    this.#changing = setTimeout(act, this.#options.powerDelayMs);
  }

  #set(power: Power, why: string): void {
    this.state.power = power;
    this.state.running = power === 'Off' ? 'nothing' : this.state.running;
    this.powerLog.push({ time: new Date().toISOString(), monotonicMs: performance.now(), power, why });
    if (this.powerLog.length > 1_000) this.powerLog.shift();
  }

  #start(why: string): void {
    if (this.#running || this.#isStopped) return;
    const isNetwork = this.override.enabled !== 'Disabled' && this.override.target === 'Pxe';
    if (this.override.enabled === 'Once') Object.assign(this.override, { enabled: 'Disabled', target: 'None' });
    this.state.boots += 1;
    this.state.networkBoots += isNetwork ? 1 : 0;
    this.state.running = 'firmware';
    const started = { why: 'by itself' } as Running;
    const monitor = new QemuMonitor(
      this.files.monitor,
      (event, { reason }) => {
        if (event === 'SHUTDOWN' && started.why === 'by itself') this.#onShutdown(started, String(reason));
      },
      (error) => this.say(`QEMU has no monitor: ${error.message}`),
    );
    const { disks, console, variables } = this.files;
    const args = qemuArguments({
      name: this.#name,
      options: this.#vm,
      hardware: this.hardware,
      files: { disks, console, variables, monitor: monitor.path },
      bootFile: isNetwork ? this.#options.bootUrl : undefined,
    });
    const { namespace } = this.#vm.network ?? {};
    const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [file = QEMU, ...words] = [...endsWithUs(), ...inside, QEMU, ...args];
    const child = spawn(file, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-STDERR_BYTES)));
    const gone = new Promise<void>((resolve) => {
      child.once('close', (code) => resolve(this.#onEnd(started, code === 0 ? '' : complaint.trim())));
      child.once('error', (error) => resolve(this.#onEnd(started, error.message)));
    });
    this.#running = Object.assign(started, { child, monitor, gone });
    this.say(`boots from ${isNetwork ? 'the network' : 'its disks'}`);
    this.#set('On', why);
  }

  /** QEMU's ShutdownCause: who asked for it, and for what. */
  #onShutdown(running: Running, cause: string): void {
    running.why = cause;
    if (cause === 'guest-reset') running.then = () => this.#start('restart by the guest');
  }

  #end(why: string, then?: () => void): void {
    const running = this.#running;
    if (!running) {
      if (this.state.power !== 'Off') this.#set('Off', why);
      then?.();
      return;
    }
    running.why = why;
    if (then) running.then = then;
    else delete running.then;
    running.child.kill('SIGKILL');
  }

  #onEnd(running: Running, complaint: string): void {
    if (this.#running !== running) return;
    this.#running = undefined;
    running.monitor.close();
    clearTimeout(this.#changing);
    if (complaint !== '') this.say(`QEMU ended: ${complaint}`);
    this.#set('Off', running.why);
    running.then?.();
  }
}

/** A simulator that is killed cannot end its machines: the kernel does it (util-linux, Linux only). */
function endsWithUs(): string[] {
  const setpriv = '/usr/bin/setpriv';
  return existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : [];
}
