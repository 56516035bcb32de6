import { Type, type Static } from 'typebox';
import { integer, list, oneOf, text, time } from './schema.ts';

const BYTES = Number.MAX_SAFE_INTEGER;
const short = () => Type.Optional(text(256));

/**
 * The hardware report as it is stored: the architecture text's form. `cpus.count` is packages, `cores` and `threads`
 * are totals; GB is 10^9 in disks and 2^30 in memory (`callback-contract.md`, "The report").
 */
export const InspectionReport = Type.Object(
  {
    version: Type.Optional(text(32, { description: 'The form in which the report came.' })),
    timestamp: Type.Optional(time()),
    cpus: Type.Optional(
      Type.Object({
        count: Type.Optional(integer(0, 4096, { description: 'Packages.' })),
        cores: Type.Optional(integer(0, 1_048_576, { description: 'Physical cores, all packages together.' })),
        threads: Type.Optional(integer(0, 1_048_576, { description: 'Threads, all packages together.' })),
        model: short(),
        architecture: short(),
        mhz: Type.Optional(integer(0, 1_000_000)),
      }),
    ),
    memory: Type.Optional(
      Type.Object({
        totalBytes: Type.Optional(integer(0, BYTES)),
        totalGB: Type.Optional(integer(0, 1_000_000_000, { description: 'Whole GiB (2^30 bytes).' })),
        installedBytes: Type.Optional(
          integer(0, BYTES, {
            description:
              'What the DIMMs have, where the kernel can use less of it (mapped out, mirrored): the total is what counts then.',
          }),
        ),
        modules: Type.Optional(
          list(
            Type.Object({ id: short(), type: short(), sizeBytes: Type.Optional(integer(0, BYTES)), speed: short() }),
            1024,
          ),
        ),
      }),
    ),
    disks: Type.Optional(
      list(
        Type.Object({
          device: short(),
          sizeBytes: Type.Optional(integer(0, BYTES)),
          sizeGB: Type.Optional(integer(0, 1_000_000_000, { description: '10^9 bytes.' })),
          type: short(),
          model: short(),
          serial: short(),
          removable: Type.Optional(Type.Boolean()),
          readOnly: Type.Optional(Type.Boolean()),
        }),
        512,
      ),
    ),
    nics: Type.Optional(
      list(
        Type.Object({
          interface: short(),
          macAddress: short(),
          linkStatus: short(),
          speedMbps: Type.Optional(integer(0, 100_000_000)),
          driver: short(),
          ipAddresses: Type.Optional(list(text(64), 64)),
        }),
        256,
      ),
    ),
    system: Type.Optional(
      Type.Object({
        manufacturer: short(),
        model: short(),
        serialNumber: short(),
        uuid: Type.Optional(
          text(64, { description: 'UUID of the board (SMBIOS), as Redfish calls UUID of a System.' }),
        ),
        biosVersion: short(),
        bmcAddress: short(),
      }),
    ),
    bootMode: Type.Optional(oneOf(['UEFI', 'Legacy', 'Unknown'])),
    accelerators: Type.Optional(
      list(Type.Object({ id: short(), vendor: short(), model: short(), type: short() }), 128),
    ),
    storageControllers: Type.Optional(
      list(Type.Object({ id: short(), vendor: short(), model: short(), driver: short() }), 128),
    ),
  },
  { description: 'What the inspection image found.' },
);
/** As read from the host's status: every field may be absent. */
export type InspectionReport = Static<typeof InspectionReport>;
