import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration such as 500ms, 30s, 10m or 2h; anything else is an error that says so. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  const [, number, unit] = match ?? [];
  const factor = UNITS[unit ?? ''];
  if (number === undefined || factor === undefined) {
    throw new InvalidArgumentError('give a number with a unit: ms, s, m or h, for example 30s.');
  }
  return Number(number) * factor;
}
