import { isIP } from 'node:net';
import type { InspectionReport } from '../../crds/inspectionReport.ts';
import { show } from './findings.ts';
import type { Fields, Reader } from './reader.ts';

type Report = InspectionReport;

/** Bounds of the stored report's schema. */
export const LIMITS = {
  disks: 512,
  nics: 256,
  modules: 1024,
  addresses: 64,
  others: 128,
  cores: 1_048_576,
  mhz: 1_000_000,
  gigabytes: 1_000_000_000,
  mbps: 100_000_000,
  bytes: Number.MAX_SAFE_INTEGER,
  /** 4 TiB: the sum of all modules stays a safe integer. */
  moduleBytes: 2 ** 42,
} as const;

/** An object without the keys whose value is undefined: absent and undefined are one in what is stored. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** RFC 3339, as the API server checks it; stored in UTC. */
export function readTime(reader: Reader, value: unknown, path: string): string | undefined {
  const text = reader.text(value, path);
  if (text === undefined) return undefined;
  const isWellFormed = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/.test(text);
  const time = isWellFormed ? Date.parse(text) : NaN;
  if (!Number.isNaN(time) && /^\d{4}-/.test(new Date(time).toISOString())) return new Date(time).toISOString();
  reader.findings.add(path, `has to be a time such as 2025-11-27T10:00:00Z, not ${show(text)}`);
  return undefined;
}

/** 6 bytes (Ethernet), 8 or 20 (InfiniBand); stored in lower case with colons. */
export function readMac(reader: Reader, value: unknown, path: string): string | undefined {
  const text = reader.text(value, path)?.toLowerCase().replaceAll('-', ':');
  if (text === undefined) return undefined;
  if (/^[0-9a-f]{2}(:[0-9a-f]{2})+$/.test(text) && [6, 8, 20].includes((text.length + 1) / 3)) return text;
  reader.findings.add(path, `has to be a MAC address such as 00:25:90:f0:79:00, not ${show(text)}`);
  return undefined;
}

/** A UUID, stored in lower case with dashes; anything else tools may say there is no UUID, and not wrong either. */
export function readUuid(reader: Reader, value: unknown, path: string): string | undefined {
  const text = reader.text(value, path)?.toLowerCase();
  const [, ...parts] =
    /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/.exec(text ?? '') ?? [];
  return parts.length === 0 ? undefined : parts.join('-');
}

/** IP addresses, with or without the length of the prefix. */
export function readAddresses(reader: Reader, value: unknown, path: string): string[] {
  return reader.texts(value, path, LIMITS.addresses).filter((text, index) => {
    const [address = '', prefix, ...rest] = text.split('/');
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= 128);
    if (isIP(address) !== 0 && isPrefix && rest.length === 0 && text.length <= 64) return true;
    reader.findings.add(`${path}[${index}]`, `has to be an IP address, not ${show(text)}`);
    return false;
  });
}

/** The boot mode by any of the names that tools have for it. */
export function readBootMode(reader: Reader, value: unknown, path: string): Report['bootMode'] {
  const text = reader.text(value, path)?.toLowerCase();
  if (text === undefined) return undefined;
  if (text === 'uefi' || text === 'efi') return 'UEFI';
  return text === 'legacy' || text === 'bios' ? 'Legacy' : 'Unknown';
}

/** `accelerators` and `storageControllers`, the same in both forms. */
export function readOthers(reader: Reader, fields: Fields): Pick<Report, 'accelerators' | 'storageControllers'> {
  const rows = <K extends string>(key: string, last: K) =>
    reader
      .objects(fields[key], key, LIMITS.others)
      .map(({ fields: item, path }) =>
        defined(
          Object.fromEntries(
            ['id', 'vendor', 'model', last].map((name) => [name, reader.label(item[name], `${path}.${name}`)]),
          ) as Record<'id' | 'vendor' | 'model' | K, string | undefined>,
        ),
      );
  const accelerators = rows('accelerators', 'type');
  const storageControllers = rows('storageControllers', 'driver');
  return {
    ...(accelerators.length === 0 ? {} : { accelerators }),
    ...(storageControllers.length === 0 ? {} : { storageControllers }),
  };
}
