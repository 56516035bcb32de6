import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { keptReports, type KeptReport } from '../../kube/reportHistory.ts';
import { HOSTS } from '../../kube/resource.ts';
import type { InspectionReport } from '../../web/shared/api.ts';
import { diskSize, linkSpeed, memorySize } from '../../web/shared/measures.ts';
import { diffReports, type Change } from '../../web/shared/reportDiff.ts';
import { diskBytes, diskKind, memoryText } from '../../web/shared/reportTotals.ts';
import { CliError, EXIT } from '../exit.ts';
import { paintFor, plain, type Io } from '../io.ts';
import { writeData, type DataFormat } from '../output.ts';
import { nameOf, read } from '../references.ts';
import type { Session } from '../session.ts';
import { table, type Column } from '../table.ts';

/** Flags of `kubectl beskar7 report`. */
export interface ReportFlags {
  readonly output: DataFormat;
  readonly list?: boolean;
  /** How many reports back: 0 is the current one. */
  readonly back: number;
  /** The difference to the report before. */
  readonly diff?: boolean;
}

/** `kubectl beskar7 report <host> [--back n] [--diff | --list]`. */
export async function report(session: Session, text: string, flags: ReportFlags): Promise<void> {
  const { io } = session;
  const host = await read(session, HOSTS, nameOf(text, 'host'));
  const reports = await reportsOf(session, host);
  const { name, namespace } = host.metadata;
  if (flags.list === true) return writeReports(io, flags.output, reports);
  const chosen = reports[flags.back];
  if (chosen === undefined)
    throw new CliError(
      EXIT.notFound,
      reports.length === 0
        ? `Host ${namespace}/${name} has no inspection report (yet): it gets one when a machine boots it.`
        : `Host ${namespace}/${name} has ${reports.length} reports; --back goes from 0 to ${reports.length - 1}.`,
    );
  if (flags.diff !== true) {
    if (flags.output !== 'text') return writeData(io, flags.output, chosen.report);
    return io.out(reportText(io, `Host ${namespace}/${name}, reported at ${chosen.at}`, chosen.report));
  }
  const before = reports[flags.back + 1];
  if (before === undefined)
    throw new CliError(EXIT.notFound, `Host ${namespace}/${name} has no report before that of ${chosen.at}.`);
  const changes = diffReports(before.report, chosen.report);
  if (flags.output !== 'text') return writeData(io, flags.output, { before: before.at, after: chosen.at, changes });
  io.out(diffText(io, `Host ${namespace}/${name}, from ${before.at} to ${chosen.at}`, changes));
}

/** The current one first, then the earlier ones. */
export async function reportsOf(session: Session, host: PhysicalHost): Promise<KeptReport[]> {
  const { inspectionReport, inspectionTimestamp } = host.status ?? {};
  const at = inspectionTimestamp ?? inspectionReport?.timestamp;
  const current = inspectionReport === undefined || at === undefined ? [] : [{ at, report: inspectionReport }];
  const kept = await keptReports(await session.kube(), host);
  return [...current, ...kept.filter((one) => one.at !== at)];
}

function writeReports(io: Io, output: DataFormat, reports: readonly KeptReport[]): void {
  const rows = reports.map(({ at, report: said }, back) => ({ back, at, ...totals(said) }));
  if (output !== 'text') return writeData(io, output, rows);
  if (rows.length === 0) return io.tell('No reports.');
  const columns: Column<(typeof rows)[number]>[] = [
    { header: 'BACK', value: ({ back }) => String(back) },
    { header: 'AT', value: ({ at }) => at },
    { header: 'CORES', value: ({ cores }) => cores },
    { header: 'MEMORY', value: ({ memory }) => memory },
    { header: 'DISKS', value: ({ disks }) => disks },
    { header: 'NICS', value: ({ nics }) => nics },
  ];
  io.out(table(rows, columns, { paint: paintFor(io) }));
}

function totals(said: InspectionReport) {
  return {
    cores: said.cpus?.cores === undefined ? undefined : String(said.cpus.cores),
    memory: memoryText(said),
    disks: String(said.disks?.length ?? 0),
    nics: String(said.nics?.length ?? 0),
  };
}

/** A report for a reader. */
function reportText(io: Pick<Io, 'isTerminal' | 'env'>, title: string, said: InspectionReport): string {
  const paint = paintFor(io);
  const { system, cpus, bootMode } = said;
  const facts: [string, string | undefined][] = [
    ['System', words(system?.manufacturer, system?.model)],
    ['Serial number', system?.serialNumber],
    ['UUID', system?.uuid],
    ['BIOS', words(system?.biosVersion, bootMode && `(${bootMode})`)],
    ['BMC', system?.bmcAddress],
    ['Processors', words(cpus?.count === undefined ? '' : `${cpus.count} x`, cpus?.model, cpus?.architecture)],
    [
      'Cores',
      words(
        cpus?.cores === undefined ? '' : `${cpus.cores}`,
        cpus?.threads === undefined ? '' : `(${cpus.threads} threads)`,
      ),
    ],
    ['Memory', memoryText(said)],
  ];
  const list = <T>(what: string, rows: readonly T[] | undefined, columns: readonly Column<T>[]) =>
    rows === undefined || rows.length === 0 ? '' : `\n${paint(what, 'bold')}\n${indented(table(rows, columns))}`;
  return [
    `${paint(plain(title), 'bold')}\n`,
    ...facts.flatMap(([what, value]) => (value ? [`  ${what.padEnd(15)}${plain(value)}\n`] : [])),
    list('DIMMs', said.memory?.modules, [
      { header: 'SLOT', value: ({ id }) => id },
      { header: 'SIZE', value: ({ sizeBytes }) => (sizeBytes ? memorySize(sizeBytes) : undefined) },
      { header: 'TYPE', value: ({ type }) => type },
      { header: 'SPEED', value: ({ speed }) => speed },
    ]),
    list('Disks', said.disks, [
      { header: 'DEVICE', value: ({ device }) => device },
      { header: 'SIZE', value: (disk) => (diskBytes(disk) > 0 ? diskSize(diskBytes(disk)) : undefined) },
      { header: 'KIND', value: diskKind },
      { header: 'MODEL', value: ({ model }) => model },
      { header: 'SERIAL', value: ({ serial }) => serial },
    ]),
    list('NICs', said.nics, [
      { header: 'NAME', value: ({ interface: name }) => name },
      { header: 'MAC', value: ({ macAddress }) => macAddress },
      { header: 'LINK', value: ({ linkStatus }) => linkStatus },
      { header: 'SPEED', value: ({ speedMbps }) => (speedMbps ? linkSpeed(speedMbps) : undefined) },
      { header: 'DRIVER', value: ({ driver }) => driver },
      { header: 'ADDRESSES', value: ({ ipAddresses }) => ipAddresses?.join(',') },
    ]),
    list('Storage controllers', said.storageControllers, [
      { header: 'ID', value: ({ id }) => id },
      { header: 'MODEL', value: ({ vendor, model }) => words(vendor, model) },
      { header: 'DRIVER', value: ({ driver }) => driver },
    ]),
    list('Accelerators', said.accelerators, [
      { header: 'ID', value: ({ id }) => id },
      { header: 'MODEL', value: ({ vendor, model }) => words(vendor, model) },
      { header: 'TYPE', value: ({ type }) => type },
    ]),
  ].join('');
}

/** What changed, as a diff is read: `-` before, `+` after. */
function diffText(io: Pick<Io, 'isTerminal' | 'env'>, title: string, changes: readonly Change[]): string {
  const paint = paintFor(io);
  const lines = changes.flatMap(({ group, what, before, after }, index) => [
    ...(changes[index - 1]?.group === group ? [] : [paint(group, 'bold')]),
    ...(before === undefined ? [] : [paint(`- ${plain(what)}: ${plain(before)}`, 'red')]),
    ...(after === undefined ? [] : [paint(`+ ${plain(what)}: ${plain(after)}`, 'green')]),
  ]);
  return [paint(plain(title), 'bold'), ...(lines.length === 0 ? ['Nothing changed.'] : lines), ''].join('\n');
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function words(...parts: (string | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}
