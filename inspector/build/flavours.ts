import type { Flavour } from './lock.ts';

/** What a flavour is made of. */
export interface Recipe {
  /** Debian's name of the newest kernel of its kind. */
  readonly kernel: string;
  /** Packages that are asked for; those that they need follow. */
  readonly packages: readonly string[];
  /** Programs of the initrd, with their libraries. */
  readonly programs: readonly string[];
  /** Kernel modules by name; those that they depend on follow. A name with `?` may be missing or built in. */
  readonly modules: readonly string[];
}

const COMMON_PACKAGES = [
  'busybox-static',
  'ca-certificates',
  'coreutils',
  'curl',
  'dmidecode',
  'dosfstools',
  'ethtool',
  'fdisk',
  'iproute2',
  'jq',
  'kexec-tools',
  'kmod',
  'lz4',
  'mtools',
  'pci.ids',
  'pciutils',
  'qemu-utils',
  'smartmontools',
  'util-linux',
  'zstd',
];

/** mtools converts names to the code page of FAT by glibc, which looks it up here. */
const CODE_PAGE = ['IBM850.so', 'gconv-modules', 'gconv-modules.d/gconv-modules-extra.conf'].map(
  (name) => `usr/lib/x86_64-linux-gnu/gconv/${name}`,
);

const COMMON_PROGRAMS = [
  ...CODE_PAGE,
  'usr/bin/curl',
  'usr/bin/jq',
  'usr/bin/kmod',
  'usr/bin/lsblk',
  'usr/bin/lscpu',
  'usr/bin/lspci',
  'usr/bin/mcopy',
  'usr/bin/qemu-img',
  // BusyBox's copy 1 KiB at a time.
  'usr/bin/sha256sum',
  'usr/bin/sha512sum',
  'usr/bin/tee',
  // BusyBox unpacks the other formats of images.
  'usr/bin/zstd',
  'usr/sbin/blkid',
  'usr/sbin/dmidecode',
  'usr/sbin/ethtool',
  'usr/sbin/ip',
  'usr/sbin/kexec',
  'usr/sbin/mkfs.fat',
  'usr/sbin/modprobe',
  'usr/sbin/sfdisk',
  'usr/sbin/smartctl',
  'usr/share/misc/pci.ids',
];

/** What makes the disk image of the target OS: FAT, boot loaders of BIOS and UEFI. */
const DISK_PACKAGES = ['dosfstools', 'mtools', 'syslinux', 'syslinux-common', 'systemd-boot-efi'];

const VIRTIO = ['virtio_pci', 'virtio_net', 'virtio_blk', 'virtio_scsi', 'virtio_rng'];
const EVERYWHERE = [
  'sd_mod',
  'nvme',
  'efivarfs',
  'crc32c_generic?',
  'crc32c-intel?',
  'vfat',
  'nls_cp437',
  'nls_ascii',
  'nls_utf8?',
];

/** The recipe of each flavour; docs/inspector.md says what they are for. */
export const RECIPES: Readonly<Record<Flavour, Recipe>> = {
  vm: {
    kernel: 'linux-image-cloud-amd64',
    packages: COMMON_PACKAGES,
    programs: COMMON_PROGRAMS,
    modules: [...VIRTIO, ...EVERYWHERE, 'ena?', 'gve?', 'hv_netvsc?', 'hv_storvsc?', 'vmxnet3?', 'mlx5_core?'],
  },
  server: {
    kernel: 'linux-image-amd64',
    packages: [...COMMON_PACKAGES, 'ipmitool'],
    programs: [...COMMON_PROGRAMS, 'usr/bin/ipmitool'],
    modules: [
      ...VIRTIO,
      ...EVERYWHERE,
      // Disks.
      ...[
        'ahci',
        'ata_piix',
        'megaraid_sas',
        'mpt3sas',
        'smartpqi',
        'hpsa',
        'aacraid',
        'mvsas?',
        'isci',
        'vmd',
        'sr_mod',
      ],
      ...['mpi3mr?', 'arcmsr?', 'mptsas', 'mptspi', 'vmw_pvscsi', 'uas', 'usb_storage'],
      // Network.
      ...[
        'e1000',
        'e1000e',
        'igb',
        'igc',
        'ixgbe',
        'ixgbevf',
        'i40e',
        'iavf',
        'ice',
        'bnxt_en',
        'tg3',
        'bnx2',
        'bnx2x',
      ],
      ...[
        'mlx4_en',
        'mlx5_core',
        'r8169',
        'sfc',
        'cxgb4',
        'qede',
        'enic',
        'be2net',
        'ena',
        'vmxnet3',
        'atlantic',
        'ionic?',
      ],
      // The BMC from within, and keyboards of the console.
      ...['ipmi_si', 'ipmi_devintf', 'ipmi_ssif', 'xhci_pci', 'ehci_pci', 'usbhid', 'hid_generic'],
    ],
  },
  'target-os': {
    kernel: 'linux-image-cloud-amd64',
    packages: ['busybox-static', 'ca-certificates', 'curl', 'iproute2', 'kmod', 'lz4', ...DISK_PACKAGES],
    programs: ['usr/bin/curl', 'usr/bin/kmod', 'usr/sbin/ip', 'usr/sbin/modprobe'],
    modules: [...VIRTIO, ...EVERYWHERE, 'button?', 'evdev?'],
  },
};
