import { clockTime, fullTime, relative } from '../format.ts';

/** A time as the reader wants it, with the whole of it as a hint. `now` in milliseconds. */
export function Time({ at, now, as = 'relative' }: { at: string; now: number; as?: 'relative' | 'clock' }) {
  return (
    <time dateTime={at} title={fullTime(at)}>
      {as === 'relative' ? relative(at, now) : clockTime(at, now)}
    </time>
  );
}
