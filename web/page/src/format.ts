const GIB = 2 ** 30;

/** Memory, in powers of two: `512 GiB`, `1.5 TiB`. */
export function memorySize(bytes: number): string {
  if (bytes >= 1024 * GIB) return `${trim(bytes / (1024 * GIB))} TiB`;
  if (bytes >= GIB) return `${trim(bytes / GIB)} GiB`;
  return `${trim(bytes / 2 ** 20)} MiB`;
}

/** A disk, in powers of ten as its maker counts: `960 GB`, `3.84 TB`. */
export function diskSize(bytes: number): string {
  if (bytes >= 1e12) return `${trim(bytes / 1e12)} TB`;
  if (bytes >= 1e9) return `${trim(bytes / 1e9)} GB`;
  return `${trim(bytes / 1e6)} MB`;
}

/** A link: `25 Gb/s`, `100 Mb/s`. */
export function linkSpeed(mbps: number): string {
  return mbps >= 1000 ? `${trim(mbps / 1000)} Gb/s` : `${mbps} Mb/s`;
}

/** A length of time for a reader, two units at most: `850 ms`, `42 s`, `3 m 05 s`, `2 h 10 m`, `5 d 3 h`. */
export function duration(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < 1000) return `${Math.round(whole)} ms`;
  if (whole < 10_000) return `${trim(whole / 1000, 1)} s`;
  const seconds = Math.round(whole / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} m`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** How long ago, or in how long: `3 m ago`, `in 12 s`. One unit: it stands in lists. */
export function relative(time: string, nowMs: number): string {
  const ms = nowMs - Date.parse(time);
  if (Number.isNaN(ms)) return time;
  const text = coarse(Math.abs(ms));
  return ms >= 0 ? `${text} ago` : `in ${text}`;
}

/** One unit of time: `12 s`, `4 m`, `3 h`, `9 d`. */
export function coarse(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
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

function trim(value: number, digits = 2): string {
  return String(Number(value.toFixed(value >= 100 ? 0 : digits)));
}
