import { maskText } from '../../untrusted/secrets.ts';
import { visibleLine } from '../../untrusted/text.ts';

/** Most problems that are listed one by one. */
const MAX_LISTED = 100;
const MAX_SHOWN = 40;

/** Everything that is wrong with a report, each with the path to it, e.g. `disks[0].sizeGB: ...`. */
export class Findings {
  readonly #problems: string[] = [];
  #unlisted = 0;

  add(path: string, problem: string): void {
    if (this.#problems.length < MAX_LISTED) this.#problems.push(path === '' ? problem : `${path}: ${problem}`);
    else this.#unlisted += 1;
  }

  /** Empty when all is well. */
  list(): string[] {
    return this.#unlisted === 0 ? [...this.#problems] : [...this.#problems, `and ${this.#unlisted} more problems`];
  }
}

/** A value for a message: its kind where it is not short, printable characters only. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value).slice(0, MAX_SHOWN);
  const text = cleanText(value);
  return `"${text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…`.toWellFormed() : text}"`;
}

/**
 * A text as it may be stored and printed: firmware writes NULs, control characters and runs of spaces into its names,
 * and people secrets.
 */
export function cleanText(text: string): string {
  return maskText(visibleLine(text)).replace(/\s+/g, ' ').trim();
}
