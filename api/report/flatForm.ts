import type { InspectionReport } from '../../crds/inspectionReport.ts';
import { show } from './findings.ts';
import { defined, LIMITS, readAddresses, readBootMode, readMac, readOthers, readTime, readUuid } from './parts.ts';
import type { Fields, Reader } from './reader.ts';
import { parseClockRate, parseLineRate, parseMemorySize, type Quantity } from './units.ts';

type Report = InspectionReport;

/** More packages than the largest machines have. */
const MAX_PACKAGES = 32;
/** From this many entries on, checks whether each one is a logical CPU. */
const MANY_PACKAGES = 8;
const GIB = 2 ** 30;
const GB = 1e9;

/** What tools write when they do not know. */
const UNKNOWN = /^(unknown!?|n\/a|none|not specified|-1|-1 ?mb\/s)$/i;
/** What dmidecode writes for an empty slot. */
const EMPTY_SLOT = /^(no module installed|not installed|empty|0 ?[kmgt]?i?b)$/i;

/**
 * Reads the flat form of contract v4.2 into the stored one: `cpus[]` has one entry per package and `memory[]` one per
 * DIMM, which are added up; capacities, clock and line rates carry units.
 */
export function readFlatForm(fields: Fields, reader: Reader): Report {
  for (const key of ['cpus', 'memory', 'disks']) reader.require(fields, key, '');
  const nics = readNics(fields.nics, reader);
  const system = defined({
    manufacturer: reader.text(fields.manufacturer, 'manufacturer'),
    model: reader.text(fields.model, 'model'),
    serialNumber: reader.text(fields.serialNumber, 'serialNumber'),
    uuid: readUuid(reader, fields.uuid, 'uuid'),
    biosVersion: reader.text(fields.firmwareVersion, 'firmwareVersion'),
    bmcAddress: reader.text(fields.bmcAddress, 'bmcAddress'),
  });
  return defined({
    version: '4.2',
    timestamp: readTime(reader, fields.timestamp, 'timestamp'),
    cpus: readCpus(fields.cpus, reader),
    memory: readMemory(fields.memory, reader),
    disks: readDisks(fields.disks, reader),
    ...(nics.length === 0 ? {} : { nics }),
    ...(Object.keys(system).length === 0 ? {} : { system }),
    bootMode: readBootMode(reader, fields.bootModeDetected, 'bootModeDetected'),
    ...readOthers(reader, fields),
  });
}

interface Package {
  readonly id: string | undefined;
  readonly model: string | undefined;
  readonly cores: number | undefined;
  readonly threads: number | undefined;
  readonly mhz: number | undefined;
}

function readCpus(value: unknown, reader: Reader): Report['cpus'] {
  const packages = reader.objects(value, 'cpus', 4096).map(({ fields, path }): Package => {
    reader.require(fields, 'cores', path);
    return {
      id: reader.label(fields.id, `${path}.id`),
      model: reader.text(fields.model, `${path}.model`),
      cores: reader.integer(fields.cores, `${path}.cores`, { min: 1, max: 32_768 }),
      threads: reader.integer(fields.threads, `${path}.threads`, { min: 1, max: 32_768 }),
      mhz: readQuantity(reader, known(fields.frequency), `${path}.frequency`, parseClockRate, LIMITS.mhz),
    };
  });
  if (Array.isArray(value) && value.length === 0) reader.findings.add('cpus', 'is empty');
  checkPackages(packages, reader);
  const sum = (pick: (one: Package) => number | undefined) =>
    packages.reduce((total, one) => total + (pick(one) ?? 0), 0);
  const models = [...new Set(packages.flatMap((one) => one.model ?? []))];
  return defined({
    count: packages.length,
    cores: sum((one) => one.cores),
    threads: sum((one) => one.threads ?? one.cores),
    // Different packages: the names that fit.
    model: models.length === 0 ? undefined : [...models.join(', ')].slice(0, 256).join(''),
    mhz: packages.find((one) => one.mhz !== undefined)?.mhz,
  });
}

/** One entry per logical CPU, as in /proc/cpuinfo, would count the cores many times over. */
function checkPackages(packages: readonly Package[], reader: Reader): void {
  reader.unique(
    packages.map((one) => one.id),
    'cpus',
    'id',
  );
  for (const [index, { cores, threads }] of packages.entries()) {
    if (cores !== undefined && threads !== undefined && threads < cores) {
      reader.findings.add(`cpus[${index}].threads`, `${threads} cannot be less than cores ${cores}`);
    }
  }
  const count = packages.length;
  const threads = packages[0]?.threads ?? 1;
  const isPerThread =
    count >= MANY_PACKAGES && threads > 1 && count % threads === 0 && packages.every((one) => one.threads === threads);
  if (count > MAX_PACKAGES || isPerThread) {
    reader.findings.add('cpus', `has ${count} entries: one per package is expected, these seem to be logical CPUs`);
  }
}

function readMemory(value: unknown, reader: Reader): Report['memory'] {
  const entries = reader.objects(value, 'memory', LIMITS.modules);
  const modules = entries.flatMap(({ fields, path }) => {
    if (typeof fields.capacity === 'string' && EMPTY_SLOT.test(fields.capacity.trim())) return [];
    reader.require(fields, 'capacity', path);
    return [
      defined({
        // Not checked for doubles: boards exist that call the first DIMM of every channel the same.
        id: reader.label(fields.id, `${path}.id`),
        type: reader.text(fields.type, `${path}.type`),
        sizeBytes: readQuantity(reader, fields.capacity, `${path}.capacity`, parseMemorySize, LIMITS.moduleBytes),
        speed: reader.label(fields.speed, `${path}.speed`),
      }),
    ];
  });
  if (Array.isArray(value) && modules.length === 0) reader.findings.add('memory', 'names no installed DIMM');
  const totalBytes = modules.reduce((total, module) => total + (module.sizeBytes ?? 0), 0);
  return { totalBytes, totalGB: Math.round(totalBytes / GIB), modules };
}

function readDisks(value: unknown, reader: Reader): NonNullable<Report['disks']> {
  const disks = reader.objects(value, 'disks', LIMITS.disks).map(({ fields, path }) => {
    for (const key of ['name', 'sizeGB']) reader.require(fields, key, path);
    const sizeGB = reader.integer(fields.sizeGB, `${path}.sizeGB`, { max: LIMITS.gigabytes });
    const sizeBytes = (sizeGB ?? NaN) * GB;
    return defined({
      device: reader.text(fields.name, `${path}.name`),
      sizeBytes: Number.isSafeInteger(sizeBytes) ? sizeBytes : undefined,
      sizeGB,
      type: reader.text(fields.type, `${path}.type`),
      model: reader.text(fields.model, `${path}.model`),
      serial: reader.text(fields.serialNumber, `${path}.serialNumber`),
      removable: reader.boolean(fields.removable, `${path}.removable`),
      readOnly: reader.boolean(fields.readOnly, `${path}.readOnly`),
    });
  });
  reader.unique(
    disks.map((disk) => disk.device),
    'disks',
    'name',
  );
  return disks;
}

function readNics(value: unknown, reader: Reader): NonNullable<Report['nics']> {
  const nics = reader.objects(value, 'nics', LIMITS.nics).map(({ fields, path }) => {
    reader.require(fields, 'name', path);
    const ipAddresses = readAddresses(reader, fields.ipAddresses, `${path}.ipAddresses`);
    return defined({
      interface: reader.text(fields.name, `${path}.name`),
      macAddress: readMac(reader, fields.macAddress, `${path}.macAddress`),
      linkStatus: reader.text(fields.linkStatus, `${path}.linkStatus`),
      speedMbps: readQuantity(reader, known(fields.speed), `${path}.speed`, parseLineRate, LIMITS.mbps),
      driver: reader.text(fields.driver, `${path}.driver`),
      ...(ipAddresses.length === 0 ? {} : { ipAddresses }),
    });
  });
  reader.unique(
    nics.map((nic) => nic.interface),
    'nics',
    'name',
  );
  return nics;
}

/** Absent where a tool wrote that it does not know: good for what no requirement is checked against. */
function known(value: unknown): unknown {
  return typeof value === 'string' && UNKNOWN.test(value.trim()) ? undefined : value;
}

/** A number with a unit. */
function readQuantity(
  reader: Reader,
  value: unknown,
  path: string,
  parse: (text: string) => Quantity,
  max: number,
): number | undefined {
  if (typeof value === 'number') {
    reader.findings.add(
      path,
      `has no unit: it has to be a text such as "32GiB", "2.0GHz" or "10Gbps", not ${show(value)}`,
    );
    return undefined;
  }
  const text = reader.text(value, path);
  if (text === undefined) return undefined;
  const quantity = parse(text);
  const problem = quantity.kind === 'bad' ? quantity.why : quantity.value > max ? 'is too large' : undefined;
  if (problem !== undefined) reader.findings.add(path, `${show(text)} ${problem}`);
  return quantity.kind === 'value' && problem === undefined ? quantity.value : undefined;
}
