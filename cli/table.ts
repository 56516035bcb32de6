import { plain, type Colour, type Paint } from './io.ts';

/** A column of a table. */
export interface Column<T> {
  readonly header: string;
  /** Empty: nothing is known, `-` is shown. */
  value(row: T): string | undefined;
  colour?(row: T): Colour | undefined;
  /** Shown with `-o wide` only. */
  readonly isWide?: boolean;
}

const GAP = '   ';

/** Rows as aligned text with a line of headers; each line ends with a line feed. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], options: TableOptions = {}): string {
  return growingTable(columns, options)(rows);
}

interface TableOptions {
  readonly isWide?: boolean;
  readonly hasHeaders?: boolean;
  readonly paint?: Paint;
}

/** The same for rows that come by and by: the headers stand before the first ones, and no column becomes narrower. */
export function growingTable<T>(columns: readonly Column<T>[], options: TableOptions): (rows: readonly T[]) => string {
  let before: readonly number[] | undefined;
  return (rows) => {
    const { text, widths } = rowsUnder(rows, columns, before, options);
    before = widths;
    return text;
  };
}

function rowsUnder<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  before: readonly number[] | undefined,
  { isWide = false, hasHeaders = true, paint = (text) => text }: TableOptions,
): { text: string; widths: readonly number[] } {
  const shown = columns.filter((column) => isWide || column.isWide !== true);
  const cells = rows.map((row) => shown.map((column) => plain(column.value(row) || '-').replace(/\s+/g, ' ')));
  const widths = shown.map(({ header }, index) =>
    Math.max(before?.[index] ?? 0, hasHeaders ? header.length : 0, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const lineOf = (texts: readonly string[], paintAt: (text: string, index: number) => string) =>
    texts
      // The last one is not filled up: no blanks at the end of a line.
      .map(
        (text, index) =>
          paintAt(text, index) + (index === texts.length - 1 ? '' : ' '.repeat((widths[index] ?? 0) - text.length)),
      )
      .join(GAP);
  const lines = cells.map((line, at) =>
    lineOf(line, (text, index) => {
      const row = rows[at];
      return row === undefined ? text : paint(text, shown[index]?.colour?.(row));
    }),
  );
  if (hasHeaders && before === undefined)
    lines.unshift(
      lineOf(
        shown.map(({ header }) => header),
        (text) => text,
      ),
    );
  return { text: lines.map((line) => `${line}\n`).join(''), widths };
}

/** How long ago, as kubectl writes it: `42s`, `5m`, `3h`, `9d`. Undefined: not known. */
export function age(time: string | undefined, nowMs: number): string | undefined {
  const ms = nowMs - Date.parse(time ?? '');
  if (Number.isNaN(ms)) return undefined;
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
