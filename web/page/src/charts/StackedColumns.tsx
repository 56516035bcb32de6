import { ticks } from './scale.ts';
import { useWidth } from './useWidth.ts';

/** One column of the chart. */
export interface Column {
  /** What stands below it. */
  readonly label: string;
  /** The whole of it, for the hint. */
  readonly hint: string;
  /** How many of each series, in the order of `series`. */
  readonly values: readonly number[];
}

interface Props {
  readonly label: string;
  readonly series: readonly string[];
  readonly columns: readonly Column[];
  readonly height?: number;
}

const LEFT = 34;
const BOTTOM = 20;
const TOP = 6;
/** Pixels that a label of a column needs. */
const LABEL_WIDTH = 58;

/**
 * Counts over time, one column for each span, its parts coloured by series (`--c0` … `--c7`). Read out by the table
 * that stands with it.
 */
export function StackedColumns({ label, series, columns, height = 190 }: Props) {
  const [frame, width] = useWidth<HTMLDivElement>(640);
  const sums = columns.map((column) => column.values.reduce((sum, value) => sum + value, 0));
  const lines = ticks(Math.max(1, ...sums));
  const top = lines.at(-1) ?? 1;
  const inner = height - TOP - BOTTOM;
  const y = (value: number) => TOP + inner - (value / top) * inner;
  const step = (width - LEFT) / Math.max(1, columns.length);
  const bar = Math.max(2, Math.min(36, step * 0.72));
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / step));
  return (
    <div ref={frame} class="chart">
      <svg width={width} height={height} role="img" aria-label={label}>
        {lines.map((line) => (
          <g key={line}>
            <line class="grid-line" x1={LEFT} x2={width} y1={y(line)} y2={y(line)} />
            <text class="axis" x={LEFT - 6} y={y(line) + 4} text-anchor="end">
              {line}
            </text>
          </g>
        ))}
        {columns.map((column, at) => {
          const x = LEFT + step * at + (step - bar) / 2;
          let below = 0;
          return (
            <g key={column.hint}>
              <title>{`${column.hint}: ${said(series, column.values)}`}</title>
              <rect x={LEFT + step * at} y={TOP} width={step} height={inner} fill="transparent" />
              {column.values.map((value, index) => {
                if (value === 0) return null;
                const from = below;
                below += value;
                return (
                  <rect
                    key={series[index]}
                    class={`c${index % 8}`}
                    x={x}
                    y={y(below)}
                    width={bar}
                    height={Math.max(1, y(from) - y(below) - 1)}
                    rx={1.5}
                  />
                );
              })}
              {at % every === 0 && (
                <text class="axis" x={x + bar / 2} y={height - 5} text-anchor="middle">
                  {column.label}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function said(series: readonly string[], values: readonly number[]): string {
  const parts = series.flatMap((name, index) => (values[index] ? [`${values[index]} ${name}`] : []));
  return parts.length > 0 ? parts.join(', ') : 'none';
}
