import { coarse } from '../../shared/measures.ts';

export { coarse, diskSize, duration, linkSpeed, memorySize } from '../../shared/measures.ts';

/** How long ago, or in how long: `3 m ago`, `in 12 s`. One unit: it stands in lists. */
export function relative(time: string, nowMs: number): string {
  const ms = nowMs - Date.parse(time);
  if (Number.isNaN(ms)) return time;
  const text = coarse(Math.abs(ms));
  return ms >= 0 ? `${text} ago` : `in ${text}`;
}

/** A time of day in the reader's zone, with the date when it is another day: `14:03:22`, `2026-11-20 14:03:22`. */
export function clockTime(time: string, nowMs: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const now = new Date(nowMs);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return date.toDateString() === now.toDateString() ? clock : `${day(date)} ${clock}`;
}

/** The whole of it, for the hint over a short form. */
export function fullTime(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : `${day(date)} ${date.toTimeString().slice(0, 8)} (${date.toISOString()})`;
}

/** `1,234`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 host`, `2 hosts`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function day(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
