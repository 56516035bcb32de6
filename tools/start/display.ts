import type { Row } from './fleetView.ts';

const COLUMNS = ['HOST', 'STATE', 'MACHINE', 'PHASE', 'FOR', 'WAITS FOR'];

/** The table as lines, cut to a width. */
export function tableLines(rows: readonly Row[], width: number, height: number): string[] {
  const shown = rows.slice(0, Math.max(1, height));
  const cells = shown.map((row) => [
    row.host || '-',
    row.state,
    row.machine || '-',
    row.phase,
    `${row.seconds}s`,
    row.waitsFor,
  ]);
  const widths = COLUMNS.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const line = (values: readonly string[]) =>
    values
      .map((value, column) => (column === values.length - 1 ? value : value.padEnd((widths[column] ?? 0) + 2)))
      .join('')
      .slice(0, width);
  const more = rows.length > shown.length ? [`... and ${rows.length - shown.length} more`] : [];
  return [line(COLUMNS), ...cells.map(line), ...more];
}

/** How many lines of a terminal these take: the long ones are wrapped, not cut, so that a command can be copied. */
export function screenLines(lines: readonly string[], width: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / width)), 0);
}

/** Shows the fleet: a live table on a terminal, else a line whenever something changes. */
export class Display {
  readonly #out: NodeJS.WriteStream;
  readonly #footer: readonly string[];
  readonly #told = new Map<string, string>();
  #drawn = 0;

  constructor(out: NodeJS.WriteStream, footer: readonly string[]) {
    this.#out = out;
    this.#footer = footer;
    if (!out.isTTY) for (const line of footer) out.write(`${line}\n`);
  }

  show(rows: readonly Row[]): void {
    if (this.#out.isTTY) this.#draw(rows);
    else this.#tell(rows);
  }

  #draw(rows: readonly Row[]): void {
    const width = this.#out.columns || 120;
    const height = (this.#out.rows || 24) - screenLines(this.#footer, width) - 4;
    const lines = [...tableLines(rows, width, height), '', ...this.#footer];
    if (this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[J`);
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawn = screenLines(lines, width);
  }

  #tell(rows: readonly Row[]): void {
    for (const row of rows) {
      const key = `${row.host}/${row.host ? '' : row.machine}`;
      const what = `${row.state} ${row.phase} ${row.machine}`;
      if (this.#told.get(key) === what) continue;
      this.#told.set(key, what);
      const time = new Date().toISOString().slice(11, 19);
      this.#out.write(
        `${time} host ${row.host || '-'} ${row.state}, machine ${row.machine || '-'} ${row.phase}${row.waitsFor ? `: ${row.waitsFor}` : ''}\n`,
      );
    }
  }
}
