import { Type, type TSchema } from 'typebox';
import { integer, list, oneOf, text, time } from '../../crds/schema.ts';
import { LIMITS } from '../report/parts.ts';

/**
 * The two forms in which a hardware report may come. What is written to these is accepted but for rules between fields,
 * which the answer 400 names (`test/unit/api/openapi.test.ts`). `report/` understands a little more, such as null for
 * what is absent, and other units.
 */

const short = () => Type.Optional(text(256));
const known = (pattern: string) => Type.Optional(text(64, { pattern }));
const label = () => Type.Optional(Type.Union([text(256), Type.Integer({ minimum: 0, maximum: LIMITS.bytes })]));
const address = () =>
  Type.Optional(
    list(
      text(64, { pattern: '^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$', description: 'IPv4 or IPv6, also with a prefix.' }),
      LIMITS.addresses,
    ),
  );
const mac = () => Type.Optional(text(17, { pattern: '^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$' }));
const name = () => text(256, { pattern: '^[!-~]+$' });
const flag = () => Type.Optional(Type.Boolean());
const bounded = (minimum: number, maximum: number, description?: string) =>
  Type.Optional(integer(minimum, maximum, description === undefined ? {} : { description }));

const others = {
  accelerators: Type.Optional(
    list(Type.Object({ id: label(), vendor: label(), model: label(), type: label() }), LIMITS.others),
  ),
  storageControllers: Type.Optional(
    list(Type.Object({ id: label(), vendor: label(), model: label(), driver: label() }), LIMITS.others),
  ),
};

/** The architecture text's form. */
export const ArchitectureReport = Type.Object(
  {
    version: Type.Optional(text(32, { pattern: '^v?1(\\.[0-9]{1,3}){0,2}$' })),
    timestamp: Type.Optional(time()),
    cpus: Type.Object({
      count: bounded(1, 4096, 'Packages.'),
      cores: integer(1, LIMITS.cores, { description: 'Physical cores, all packages together: at least count.' }),
      threads: bounded(1, LIMITS.cores, 'Threads, all packages together: at least cores.'),
      model: short(),
      architecture: short(),
      mhz: bounded(0, LIMITS.mhz),
    }),
    memory: Type.Object(
      {
        totalBytes: bounded(0, LIMITS.bytes),
        totalGB: bounded(0, LIMITS.gigabytes, 'Whole GiB (2^30 bytes).'),
        installedBytes: bounded(
          0,
          LIMITS.bytes,
          'What the DIMMs have, where the kernel can use clearly less: the total counts then.',
        ),
        modules: Type.Optional(
          list(
            Type.Object({ id: label(), type: short(), sizeBytes: bounded(0, LIMITS.moduleBytes), speed: label() }),
            LIMITS.modules,
          ),
        ),
      },
      { description: 'One of the three is needed.' },
    ),
    disks: list(
      Type.Object(
        {
          device: name(),
          sizeBytes: bounded(0, LIMITS.bytes),
          sizeGB: bounded(0, LIMITS.gigabytes, '10^9 bytes.'),
          type: short(),
          model: short(),
          serial: short(),
          removable: flag(),
          readOnly: flag(),
        },
        { description: 'sizeBytes or sizeGB is needed; each device once.' },
      ),
      LIMITS.disks,
    ),
    nics: Type.Optional(
      list(
        Type.Object({
          interface: name(),
          macAddress: mac(),
          linkStatus: short(),
          speedMbps: bounded(-1, LIMITS.mbps, '-1: there is no link.'),
          driver: short(),
          ipAddresses: address(),
        }),
        LIMITS.nics,
      ),
    ),
    system: Type.Optional(
      Type.Object({
        manufacturer: short(),
        model: short(),
        serialNumber: short(),
        uuid: short(),
        biosVersion: short(),
        bmcAddress: short(),
      }),
    ),
    bootMode: Type.Optional(oneOf(['UEFI', 'Legacy', 'Unknown'])),
    ...others,
  },
  { description: 'The form of docs/spec/architecture.md.' },
);

/** The form of inspectors that speak contract v4.2. */
export const FlatReport = Type.Object(
  {
    version: Type.Optional(text(32, { pattern: '^v?4(\\.[0-9]{1,3}){0,2}$' })),
    timestamp: Type.Optional(time()),
    manufacturer: short(),
    model: short(),
    serialNumber: short(),
    firmwareVersion: short(),
    bmcAddress: short(),
    bootModeDetected: Type.Optional(oneOf(['uefi', 'legacy'])),
    cpus: Type.Array(
      Type.Object({
        id: label(),
        vendor: short(),
        model: short(),
        cores: integer(1, 32_768),
        threads: bounded(1, 32_768, 'At least cores.'),
        frequency: known('^[0-9]{1,3}(\\.[0-9]{1,3})?GHz$'),
      }),
      { minItems: 1, maxItems: 32, description: 'One entry per package, each id once.' },
    ),
    memory: Type.Array(
      Type.Object({
        id: label(),
        type: short(),
        capacity: text(64, { pattern: '^[1-9][0-9]{0,2}GiB$' }),
        speed: label(),
      }),
      { minItems: 1, maxItems: LIMITS.modules, description: 'One entry per installed DIMM.' },
    ),
    disks: list(
      Type.Object({
        name: name(),
        model: short(),
        sizeGB: integer(0, LIMITS.gigabytes, { description: '10^9 bytes.' }),
        type: short(),
        serialNumber: short(),
        removable: flag(),
        readOnly: flag(),
      }),
      LIMITS.disks,
    ),
    nics: Type.Optional(
      list(
        Type.Object({
          name: name(),
          macAddress: mac(),
          linkStatus: short(),
          driver: short(),
          speed: known('^[1-9][0-9]{0,4}(M|G)bps$'),
          ipAddresses: address(),
        }),
        LIMITS.nics,
      ),
    ),
    ...others,
  },
  { description: 'The flat form of contract v4.2.' },
);

/**
 * Body of `/inspection`, at most 1 MiB; the forms differ by their shape or by `version`. Unknown keys are
 * ignored.
 */
export const Report: TSchema = Type.Union([ArchitectureReport, FlatReport]);
