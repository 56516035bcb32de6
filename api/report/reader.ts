import { cleanText, show, type Findings } from './findings.ts';

/** An object of a report; unknown keys are ignored. */
export type Fields = Readonly<Record<string, unknown>>;

/** Bound of a text, in characters, as in the schema of the stored report. */
const MAX_TEXT = 256;

/**
 * Reads values of a report, strict on types and bounds: what is not right is added to the findings, and reads as
 * undefined. `null` counts as absent, as shell tools write it.
 */
export class Reader {
  readonly findings: Findings;

  constructor(findings: Findings) {
    this.findings = findings;
  }

  object(value: unknown, path: string): Fields | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'object' && !Array.isArray(value)) return value as Fields;
    this.findings.add(path, `has to be an object, not ${show(value)}`);
    return undefined;
  }

  /** The objects of a list with their paths; one that is absent is empty. */
  objects(value: unknown, path: string, limit: number): { fields: Fields; path: string }[] {
    return this.#list(value, path, limit).flatMap((item, index) => {
      const itemPath = `${path}[${index}]`;
      const fields = this.object(item, itemPath);
      if (fields !== undefined) return [{ fields, path: itemPath }];
      if (item === null) this.findings.add(itemPath, 'has to be an object, not null');
      return [];
    });
  }

  texts(value: unknown, path: string, limit: number): string[] {
    return this.#list(value, path, limit).flatMap((item, index) => {
      const text = this.text(item, `${path}[${index}]`);
      return text === undefined ? [] : [text];
    });
  }

  /** Printable text without the space around it; an empty one is absent. */
  text(value: unknown, path: string): string | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') {
      this.findings.add(path, `has to be a text, not ${show(value)}`);
      return undefined;
    }
    const text = cleanText(value);
    if ([...text.slice(0, 2 * MAX_TEXT + 2)].length > MAX_TEXT) {
      this.findings.add(path, `has more than ${MAX_TEXT} characters`);
      return undefined;
    }
    return text === '' ? undefined : text;
  }

  /** A text, or a whole number as one: ids and speeds come as either. */
  label(value: unknown, path: string): string | undefined {
    return this.text(Number.isSafeInteger(value) ? String(value) : value, path);
  }

  boolean(value: unknown, path: string): boolean | undefined {
    if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
    this.findings.add(path, `has to be true or false, not ${show(value)}`);
    return undefined;
  }

  /** A whole number inside bounds. */
  integer(value: unknown, path: string, bounds: { min?: number; max: number }): number | undefined {
    const { min = 0, max } = bounds;
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'number') {
      this.findings.add(path, `has to be a number, not ${show(value)}`);
    } else if (value < min) {
      this.findings.add(path, `has to be at least ${min}, not ${show(value)}`);
    } else if (value > max) {
      this.findings.add(path, `has to be at most ${max}, not ${show(value)}`);
    } else if (!Number.isSafeInteger(value)) {
      this.findings.add(path, `has to be a whole number, not ${show(value)}`);
    } else {
      // Not -0, which JSON allows.
      return value === 0 ? 0 : value;
    }
    return undefined;
  }

  /** Reports an absent required value; an invalid one was reported already. */
  require(fields: Fields, key: string, path: string): void {
    if (fields[key] === undefined || fields[key] === null || fields[key] === '') {
      this.findings.add(path === '' ? key : `${path}.${key}`, 'is missing');
    }
  }

  /** Ids that occur twice: an entry that was sent twice would count twice. */
  unique(ids: readonly (string | undefined)[], path: string, key: string): void {
    const seen = new Set<string>();
    for (const [index, id] of ids.entries()) {
      if (id === undefined) continue;
      if (seen.has(id)) this.findings.add(`${path}[${index}].${key}`, `${show(id)} occurs more than once`);
      seen.add(id);
    }
  }

  #list(value: unknown, path: string, limit: number): unknown[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.findings.add(path, `has to be a list, not ${show(value)}`);
      return [];
    }
    if (value.length > limit) {
      this.findings.add(path, `has ${value.length} entries, at most ${limit} are possible`);
      return [];
    }
    return value;
  }
}
