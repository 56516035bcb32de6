/** The architecture text's example. */
export const REPORT = {
  timestamp: '2025-11-27T10:00:00Z',
  cpus: { count: 2, cores: 16, threads: 32, model: 'Intel Xeon E5-2640 v4', architecture: 'x86_64', mhz: 2400 },
  memory: { totalBytes: 68719476736, totalGB: 64 },
  disks: [
    {
      device: '/dev/sda',
      sizeBytes: 500107862016,
      sizeGB: 500,
      type: 'SSD',
      model: 'Samsung 870 EVO',
      serial: 'S5H1NS0T123456',
    },
  ],
  nics: [{ interface: 'eth0', macAddress: '00:25:90:f0:79:00', linkStatus: 'up', speedMbps: 1000, driver: 'ixgbe' }],
  system: {
    manufacturer: 'Dell Inc.',
    model: 'PowerEdge R730',
    serialNumber: 'ABC1234',
    biosVersion: '2.15.0',
    bmcAddress: '192.168.1.100',
  },
};

/** A report as contract v4.2 has it. */
export const FLAT = {
  manufacturer: 'Supermicro',
  model: 'X11',
  serialNumber: 'S1',
  bootModeDetected: 'uefi',
  firmwareVersion: '3.4',
  cpus: [
    { id: 0, vendor: 'Intel', model: 'Xeon 4110', cores: 8, threads: 16, frequency: '2.1GHz' },
    { id: 1, vendor: 'Intel', model: 'Xeon 4110', cores: 8, threads: 16, frequency: '2.1GHz' },
  ],
  memory: [
    { id: 'DIMM_A1', type: 'DDR4', capacity: '32GiB', speed: '2666 MT/s' },
    { id: 'DIMM_B1', type: 'DDR4', capacity: '32 GB', speed: 2666 },
    { id: 'DIMM_C1', capacity: 'No Module Installed' },
  ],
  disks: [{ name: 'sda', model: 'INTEL SSD', sizeGB: 480, type: 'SSD', serialNumber: 'P1' }],
  nics: [
    { name: 'eno1', macAddress: '00-25-90-F0-79-00', driver: 'ixgbe', speed: '10Gbps', ipAddresses: ['10.0.0.5/24'] },
  ],
};

/** The architecture form with one part replaced. */
export const arch = (change: object) => ({ ...REPORT, ...change });
export const flat = (change: object) => ({ ...FLAT, ...change });
export const disk = (change: object) => arch({ disks: [{ device: '/dev/sda', sizeGB: 1, ...change }] });
export const nic = (change: object) => arch({ nics: [{ interface: 'eth0', ...change }] });
export const dimm = (change: object) => flat({ memory: [{ id: 'A', capacity: '8GiB', ...change }] });
