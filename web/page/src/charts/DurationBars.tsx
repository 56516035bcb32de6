import { coarse, duration } from '../format.ts';
import { timeTicks } from './scale.ts';
import { useWidth } from './useWidth.ts';

/** One step with how long it took over `count` runs. */
export interface DurationRow {
  readonly name: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

const ROW = 30;
const BOTTOM = 22;
const RIGHT = 12;

/**
 * How long each step takes: the bar ends at the median, its pale part at the 95th percentile, the tick at the longest.
 */
export function DurationBars({ label, rows }: { readonly label: string; readonly rows: readonly DurationRow[] }) {
  const [frame, width] = useWidth<HTMLDivElement>(560);
  const left = Math.min(200, Math.max(112, width * 0.37));
  const lines = timeTicks(Math.max(1000, ...rows.map((row) => row.maxMs)), width < 420 ? 2 : 5);
  const top = lines.at(-1) ?? 1;
  const x = (ms: number) => left + (ms / top) * (width - left - RIGHT);
  const height = rows.length * ROW + BOTTOM;
  return (
    <div ref={frame} class="chart">
      <svg width={width} height={height} role="img" aria-label={label}>
        {lines.map((line) => (
          <g key={line}>
            <line class="grid-line" x1={x(line)} x2={x(line)} y1={0} y2={height - BOTTOM} />
            <text
              class="axis"
              x={x(line)}
              y={height - 6}
              text-anchor={line === 0 ? 'start' : line === top ? 'end' : 'middle'}
            >
              {line === 0 ? '0' : coarse(line)}
            </text>
          </g>
        ))}
        {rows.map((row, at) => (
          <g key={row.name} transform={`translate(0 ${at * ROW})`}>
            <title>{`${row.name}: median ${duration(row.p50Ms)}, 95 % within ${duration(row.p95Ms)}, longest ${duration(row.maxMs)}, ${row.count} of them`}</title>
            <rect x={0} y={0} width={width} height={ROW} fill="transparent" />
            <text class="name" x={0} y={ROW / 2 + 4}>
              {row.name}
            </text>
            <rect class="pale" x={left} y={9} width={Math.max(1, x(row.p95Ms) - left)} height={12} rx={2} />
            <rect class="full" x={left} y={9} width={Math.max(1, x(row.p50Ms) - left)} height={12} rx={2} />
            <line class="most" x1={x(row.maxMs)} x2={x(row.maxMs)} y1={7} y2={23} />
          </g>
        ))}
      </svg>
    </div>
  );
}
