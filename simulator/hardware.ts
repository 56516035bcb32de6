/** What a simulated server is made of. */
export interface Hardware {
  readonly packages: number;
  readonly coresPerPackage: number;
  readonly memoryGiB: number;
  readonly diskBytes: readonly number[];
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly mac: string;
  readonly uuid?: string;
}

/** Hardware of each simulated server; more than the examples ask for. */
export const NORMAL = {
  packages: 2,
  coresPerPackage: 8,
  memoryGiB: 64,
  diskBytes: [500_107_862_016, 2_000_398_934_016],
};
/** Hardware reported under the fault `smallHardware`: less than the examples ask for. */
export const SMALL = { packages: 1, coresPerPackage: 1, memoryGiB: 1, diskBytes: [8_000_000_000] };

/** The report in the form of the architecture text. */
export function architectureReport(hardware: Hardware): object {
  const cores = hardware.packages * hardware.coresPerPackage;
  return {
    timestamp: new Date().toISOString(),
    cpus: {
      count: hardware.packages,
      cores,
      threads: cores * 2,
      model: 'Intel Xeon E5-2640 v4',
      architecture: 'x86_64',
      mhz: 2400,
    },
    memory: { totalBytes: hardware.memoryGiB * 2 ** 30, totalGB: hardware.memoryGiB },
    disks: hardware.diskBytes.map((sizeBytes, index) => ({
      device: `/dev/sd${'abcdef'[index] ?? 'z'}`,
      sizeBytes,
      sizeGB: Math.round(sizeBytes / 1e9),
      type: index === 0 ? 'SSD' : 'HDD',
      model: 'Samsung 870 EVO',
      serial: `${hardware.serial}-D${index}`,
    })),
    nics: [
      {
        interface: 'eth0',
        macAddress: hardware.mac,
        linkStatus: 'up',
        speedMbps: 10_000,
        driver: 'ixgbe',
        ipAddresses: addressesOf(hardware.mac),
      },
      {
        interface: 'eth1',
        macAddress: hardware.mac.replace(/^02/, '06'),
        linkStatus: 'down',
        speedMbps: 1_000,
        driver: 'igb',
      },
    ],
    system: {
      manufacturer: hardware.manufacturer,
      model: hardware.model,
      serialNumber: hardware.serial,
      biosVersion: '2.15.0',
      bmcAddress: '127.0.0.1',
    },
  };
}

/** The report in the form of the v4.2 inspectors. */
export function v42Report(hardware: Hardware): object {
  return {
    manufacturer: hardware.manufacturer,
    model: hardware.model,
    serialNumber: hardware.serial,
    bootModeDetected: 'UEFI',
    firmwareVersion: '2.15.0',
    cpus: Array.from({ length: hardware.packages }, (_, index) => ({
      id: `CPU${index}`,
      vendor: 'GenuineIntel',
      model: 'Intel Xeon E5-2640 v4',
      cores: hardware.coresPerPackage,
      threads: hardware.coresPerPackage * 2,
      frequency: '2.4GHz',
    })),
    memory: [{ id: 'DIMM0', type: 'DDR4', capacity: `${hardware.memoryGiB}GiB`, speed: '2400MT/s' }],
    disks: hardware.diskBytes.map((sizeBytes, index) => ({
      name: `sd${'abcdef'[index] ?? 'z'}`,
      model: 'Samsung 870 EVO',
      sizeGB: Math.round(sizeBytes / 1e9),
      type: index === 0 ? 'SSD' : 'HDD',
      serialNumber: `${hardware.serial}-D${index}`,
    })),
    nics: [
      {
        name: 'eth0',
        macAddress: hardware.mac,
        driver: 'ixgbe',
        speed: '10Gbps',
        ipAddresses: addressesOf(hardware.mac),
      },
    ],
  };
}

/** What DHCP gave the server, and the link-local address that every interface makes for itself. */
function addressesOf(mac: string): string[] {
  const [high = 0, low = 0] = mac
    .split(':')
    .slice(-2)
    .map((byte) => parseInt(byte, 16));
  return [`fe80::b7:${high.toString(16)}:${low.toString(16)}`, `10.7.${high}.${low}`];
}
