/** How virtual machines are made. */
export interface VmOptions {
  /** What the machine has for firmware; UEFI needs OVMF (Debian: `ovmf`). */
  readonly firmware: 'bios' | 'uefi';
  readonly memoryMiB: number;
  /** Sizes of the disks in bytes; they are sparse files. */
  readonly diskBytes: readonly number[];
  /**
   * For each machine a folder with its disks, its firmware's variables and `console.log`, what it wrote to its serial
   * line.
   */
  readonly folder: string;
  /**
   * A tap device in a network namespace, for one machine; absent: QEMU's user network, in which 10.0.2.2 is this
   * machine's loopback.
   */
  readonly network?: { readonly namespace: string; readonly tap: string };
  /** Default: KVM where it can be used, else TCG, which is some five times slower. */
  readonly accelerator?: 'kvm' | 'tcg';
}

/** A virtual machine without flags. */
export const VM_DEFAULTS = { firmware: 'bios', memoryMiB: 1_024, diskBytes: [4_000_000_000] } as const;
