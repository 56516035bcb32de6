import type { HostRow, MachineRow } from '../../../shared/api.ts';

const hostText = new WeakMap<HostRow, string>();
const machineText = new WeakMap<MachineRow, string>();

/**
 * The rows in which each word of `text` occurs in: name, namespace, serial number, maker, model, MAC addresses, zone,
 * consumer, reason of a BMC that does not answer.
 */
export function matchingHosts(rows: readonly HostRow[], text: string): HostRow[] {
  return matching(rows, text, hostText, (row) => [
    `${row.namespace}/${row.name}`,
    row.serial,
    row.manufacturer,
    row.model,
    ...row.macs,
    row.zone,
    row.consumer && `${row.consumer.namespace}/${row.consumer.name}`,
    row.bmc,
  ]);
}

/** The same for name, namespace, host, zone, alarm, reason, message. */
export function matchingMachines(rows: readonly MachineRow[], text: string): MachineRow[] {
  return matching(rows, text, machineText, (row) => [
    `${row.namespace}/${row.name}`,
    row.host && `${row.host.namespace}/${row.host.name}`,
    row.zone,
    row.alarm,
    row.reason,
    row.message,
  ]);
}

/** How many rows are in each state. */
export function countBy<Row>(rows: readonly Row[], stateOf: (row: Row) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(stateOf(row), (counts.get(stateOf(row)) ?? 0) + 1);
  return counts;
}

/** The text of a row is put together once: a row that changes is a new object. */
function matching<Row extends object>(
  rows: readonly Row[],
  text: string,
  cache: WeakMap<Row, string>,
  fields: (row: Row) => (string | undefined)[],
): Row[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...rows];
  return rows.filter((row) => {
    let said = cache.get(row);
    if (said === undefined) {
      said = fields(row).filter(Boolean).join('\n').toLowerCase();
      cache.set(row, said);
    }
    const all = said;
    return words.every((word) => all.includes(word));
  });
}
