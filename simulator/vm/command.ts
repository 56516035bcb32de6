import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Hardware } from '../hardware.ts';
import type { VmOptions } from './options.ts';

/** The program that runs a virtual machine, looked up in PATH. */
export const QEMU = 'qemu-system-x86_64';

/** Where the distributions put OVMF: code and the template of its variables. */
const OVMF = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
  ['/usr/share/edk2/x64/OVMF_CODE.4m.fd', '/usr/share/edk2/x64/OVMF_VARS.4m.fd'],
] as const;

/** What is missing on this machine, each with how to get it; empty: virtual machines can run. */
export function missingForVms(firmware: VmOptions['firmware']): string[] {
  const isThere = (name: string) => (process.env.PATH ?? '').split(':').some((dir) => existsSync(path.join(dir, name)));
  return [
    ...(isThere(QEMU) ? [] : [`${QEMU} (Debian, Ubuntu: apt-get install qemu-system-x86 ipxe-qemu)`]),
    ...(firmware === 'bios' || ovmf() ? [] : ['OVMF (Debian, Ubuntu: apt-get install ovmf)']),
  ];
}

/** UEFI firmware and the template of its variables; undefined: none is installed. */
export function ovmf(): { code: string; variables: string } | undefined {
  const found = OVMF.find((files) => files.every((file) => existsSync(file)));
  return found && { code: found[0], variables: found[1] };
}

/**
 * Whether this user has a KVM that runs firmware: one without the processor's own virtualisation (pvm) hangs in real
 * mode.
 */
function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

/** Files of one machine. */
export interface VmFiles {
  readonly disks: readonly string[];
  readonly console: string;
  /** Socket on which we listen for QEMU's monitor. */
  readonly monitor: string;
  readonly variables: string;
}

/** One start of a machine. */
export interface VmStart {
  readonly name: string;
  readonly options: VmOptions;
  readonly hardware: Hardware;
  readonly files: VmFiles;
  /** Network first, with what QEMU's own DHCP hands out as the boot file; undefined: disks only. */
  readonly bootFile: string | undefined;
}

/** QEMU's arguments. */
export function qemuArguments({ name, options, hardware, files, bootFile }: VmStart): string[] {
  const { manufacturer, model, serial, mac, uuid } = hardware;
  const accelerators =
    options.accelerator === undefined ? (hasKvm() ? ['kvm', 'tcg'] : ['tcg']) : [options.accelerator];
  const isNetwork = bootFile !== undefined;
  const { tap } = options.network ?? {};
  const network =
    tap === undefined
      ? `user${isNetwork ? `,bootfile=${quoted(bootFile)}` : ''}`
      : `tap,ifname=${tap},script=no,downscript=no`;
  // iPXE in the card, as some servers have; on a real network UEFI has a network boot of its own.
  const hasRom = isNetwork && (tap === undefined || options.firmware === 'bios');
  const firmware = options.firmware === 'uefi' ? ovmf() : undefined;
  return [
    ...['-name', quoted(name)],
    ...['-machine', 'q35,graphics=off'],
    ...accelerators.flatMap((accelerator) => ['-accel', accelerator]),
    ...['-smp', '1', '-m', String(options.memoryMiB)],
    // Only what has a boot index is booted.
    ...['-boot', 'strict=on'],
    ...(firmware
      ? [
          ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${firmware.code}`],
          ...['-drive', `if=pflash,unit=1,format=raw,file=${quoted(files.variables)}`],
        ]
      : []),
    ...(uuid === undefined ? [] : ['-uuid', uuid]),
    ...['-smbios', `type=1,manufacturer=${quoted(manufacturer)},product=${quoted(model)},serial=${quoted(serial)}`],
    // IPv6 stays on: without it the firmware waits for it.
    ...['-netdev', `${network},id=net0`],
    ...[
      '-device',
      `virtio-net-pci,netdev=net0,mac=${mac}${isNetwork ? ',bootindex=0' : ''}${hasRom ? '' : ',romfile='}`,
    ],
    ...files.disks.flatMap((file, index) => [
      ...['-drive', `if=none,id=disk${index},format=raw,discard=unmap,file=${quoted(file)}`],
      ...['-device', `virtio-blk-pci,drive=disk${index},serial=${serial}-D${index},bootindex=${index + 1}`],
    ]),
    ...['-device', 'virtio-rng-pci'],
    ...['-display', 'none', '-monitor', 'none'],
    ...['-chardev', `file,id=console,path=${quoted(files.console)},append=on`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=monitor,path=${quoted(files.monitor)}`, '-mon', 'chardev=monitor,mode=control'],
    // A restart that the guest asks for ends QEMU: the next start boots as the BMC says then.
    ...['-action', 'reboot=shutdown'],
  ];
}

/** A value in QEMU's lists of options. */
function quoted(value: string): string {
  return value.replaceAll(',', ',,');
}
