import type { InspectionReport } from '../../crds/inspectionReport.ts';
import { memoryOf } from '../../model/requirements.ts';
import { defined, LIMITS, readAddresses, readBootMode, readMac, readOthers, readTime, readUuid } from './parts.ts';
import type { Fields, Reader } from './reader.ts';

type Report = InspectionReport;
type Memory = NonNullable<Report['memory']>;

const GIB = 2 ** 30;
const GB = 1e9;

/**
 * Reads the architecture text's form. `cpus.count` is packages, `cores` and `threads` are totals; `totalGB` counts
 * 2^30, `sizeGB` 10^9; where only one of bytes and GB is there, the other is worked out. Needed: cpus.cores, a size of
 * the memory, and `disks`, since hardware requirements are checked against them.
 */
export function readArchitectureForm(fields: Fields, reader: Reader): Report {
  for (const key of ['cpus', 'memory', 'disks']) reader.require(fields, key, '');
  const system = readSystem(fields.system, reader);
  const nics = readNics(fields.nics, reader);
  return defined({
    version: '1',
    timestamp: readTime(reader, fields.timestamp, 'timestamp'),
    cpus: readCpus(fields.cpus, reader),
    memory: readMemory(fields.memory, reader),
    disks: readDisks(fields.disks, reader),
    ...(nics.length === 0 ? {} : { nics }),
    ...(system === undefined ? {} : { system }),
    bootMode: readBootMode(reader, fields.bootMode, 'bootMode'),
    ...readOthers(reader, fields),
  });
}

function readCpus(value: unknown, reader: Reader): Report['cpus'] {
  const fields = reader.object(value, 'cpus');
  if (fields === undefined) return undefined;
  reader.require(fields, 'cores', 'cpus');
  const number = (key: string, max: number) => reader.integer(fields[key], `cpus.${key}`, { min: 1, max });
  const count = number('count', 4096);
  const cores = number('cores', LIMITS.cores);
  const threads = number('threads', LIMITS.cores);
  if (cores !== undefined && count !== undefined && cores < count) {
    reader.findings.add('cpus.cores', `is the total of all packages: ${cores} cannot be less than count ${count}`);
  }
  if (cores !== undefined && threads !== undefined && threads < cores) {
    reader.findings.add('cpus.threads', `is the total of all packages: ${threads} cannot be less than cores ${cores}`);
  }
  return defined({
    count,
    cores,
    threads,
    model: reader.text(fields.model, 'cpus.model'),
    architecture: reader.text(fields.architecture, 'cpus.architecture'),
    mhz: reader.integer(fields.mhz, 'cpus.mhz', { max: LIMITS.mhz }),
  });
}

function readMemory(value: unknown, reader: Reader): Report['memory'] {
  const fields = reader.object(value, 'memory');
  if (fields === undefined) return undefined;
  const modules = readModules(fields.modules, reader);
  const totalBytes = reader.integer(fields.totalBytes, 'memory.totalBytes', { max: LIMITS.bytes });
  const totalGB = reader.integer(fields.totalGB, 'memory.totalGB', { max: LIMITS.gigabytes });
  const isSent = [fields.totalBytes, fields.totalGB].some((size) => size !== undefined && size !== null);
  if (!isSent && modules.length === 0) reader.findings.add('memory.totalBytes', 'is missing');
  // An inspector that does not tell it: by what its DIMMs have.
  const sent = reader.integer(fields.installedBytes, 'memory.installedBytes', { max: LIMITS.bytes });
  const { installedBytes } = memoryOf({
    ...defined({ totalBytes, totalGB }),
    modules,
    ...(sent === undefined ? {} : { installedBytes: sent }),
  });
  return defined({
    totalBytes: totalBytes ?? inBytes(totalGB, GIB),
    totalGB: totalGB ?? (totalBytes === undefined ? undefined : Math.round(totalBytes / GIB)),
    installedBytes,
    ...(modules.length === 0 ? {} : { modules }),
  });
}

function readModules(value: unknown, reader: Reader): NonNullable<Memory['modules']> {
  return reader.objects(value, 'memory.modules', LIMITS.modules).map(({ fields, path }) =>
    defined({
      id: reader.label(fields.id, `${path}.id`),
      type: reader.text(fields.type, `${path}.type`),
      sizeBytes: reader.integer(fields.sizeBytes, `${path}.sizeBytes`, { max: LIMITS.moduleBytes }),
      speed: reader.label(fields.speed, `${path}.speed`),
    }),
  );
}

function readDisks(value: unknown, reader: Reader): NonNullable<Report['disks']> {
  const disks = reader.objects(value, 'disks', LIMITS.disks).map(({ fields, path }) => {
    reader.require(fields, 'device', path);
    const sizeBytes = reader.integer(fields.sizeBytes, `${path}.sizeBytes`, { max: LIMITS.bytes });
    const sizeGB = reader.integer(fields.sizeGB, `${path}.sizeGB`, { max: LIMITS.gigabytes });
    const isSent = [fields.sizeBytes, fields.sizeGB].some((size) => size !== undefined && size !== null);
    if (!isSent) reader.findings.add(`${path}.sizeBytes`, 'is missing');
    return defined({
      device: reader.text(fields.device, `${path}.device`),
      sizeBytes: sizeBytes ?? inBytes(sizeGB, GB),
      sizeGB: sizeGB ?? (sizeBytes === undefined ? undefined : Math.round(sizeBytes / GB)),
      type: reader.text(fields.type, `${path}.type`),
      model: reader.text(fields.model, `${path}.model`),
      serial: reader.text(fields.serial, `${path}.serial`),
      removable: reader.boolean(fields.removable, `${path}.removable`),
      readOnly: reader.boolean(fields.readOnly, `${path}.readOnly`),
    });
  });
  reader.unique(
    disks.map((disk) => disk.device),
    'disks',
    'device',
  );
  return disks;
}

function readNics(value: unknown, reader: Reader): NonNullable<Report['nics']> {
  const nics = reader.objects(value, 'nics', LIMITS.nics).map(({ fields, path }) => {
    reader.require(fields, 'interface', path);
    const ipAddresses = readAddresses(reader, fields.ipAddresses, `${path}.ipAddresses`);
    return defined({
      interface: reader.text(fields.interface, `${path}.interface`),
      macAddress: readMac(reader, fields.macAddress, `${path}.macAddress`),
      linkStatus: reader.text(fields.linkStatus, `${path}.linkStatus`),
      speedMbps: readSpeed(reader, fields.speedMbps, `${path}.speedMbps`),
      driver: reader.text(fields.driver, `${path}.driver`),
      ...(ipAddresses.length === 0 ? {} : { ipAddresses }),
    });
  });
  reader.unique(
    nics.map((nic) => nic.interface),
    'nics',
    'interface',
  );
  return nics;
}

function readSystem(value: unknown, reader: Reader): Report['system'] {
  const fields = reader.object(value, 'system');
  if (fields === undefined) return undefined;
  const text = (key: string) => reader.text(fields[key], `system.${key}`);
  return defined({
    manufacturer: text('manufacturer'),
    model: text('model'),
    serialNumber: text('serialNumber'),
    uuid: readUuid(reader, fields.uuid, 'system.uuid'),
    biosVersion: text('biosVersion'),
    bmcAddress: text('bmcAddress'),
  });
}

/** Linux writes -1 into /sys/class/net/<nic>/speed while there is no link. */
function readSpeed(reader: Reader, value: unknown, path: string): number | undefined {
  return value === -1 ? undefined : reader.integer(value, path, { max: LIMITS.mbps });
}

/** Undefined where it does not fit into 53 bits: GB alone is then stored. */
function inBytes(size: number | undefined, unit: number): number | undefined {
  const bytes = size === undefined ? NaN : size * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
