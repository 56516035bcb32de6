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

/** One unit of time: `12 s`, `4 m`, `3 h`, `9 d`. */
export function coarse(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function trim(value: number, digits = 2): string {
  return String(Number(value.toFixed(value >= 100 ? 0 : digits)));
}
