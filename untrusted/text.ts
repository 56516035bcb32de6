/**
 * Control characters (C0, C1), format characters (text direction, zero width, tags, soft hyphens), line and paragraph
 * separators, private, unassigned and half characters.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]+/gu;
const UNSEEN_BUT_LAYOUT = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * A text of others as it may stand in a condition, an event, a message or on a page: one line of characters that are
 * seen. Each run of others becomes a blank and never nothing, so that no word (and no secret) is joined by it.
 */
export function visibleLine(text: string): string {
  return text.toWellFormed().replace(UNSEEN, ' ');
}

/** The same for a terminal, where line feeds and tabs may stay. */
export function visibleText(text: string): string {
  return text.toWellFormed().replace(UNSEEN_BUT_LAYOUT, '\ufffd');
}

/**
 * A line of JSON as it may be written to a log that is read in a terminal: what is not seen is escaped, and it stays
 * the same JSON.
 */
export function visibleJson(line: string): string {
  return line.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

/** A copy of plain data (what becomes JSON) whose texts and names are those of `visibleText`: for a page. */
export function visibleDocument<T>(value: T): T {
  const walk = (at: unknown): unknown => {
    if (typeof at === 'string') return visibleText(at);
    if (Array.isArray(at)) return at.map(walk);
    if (typeof at !== 'object' || at === null) return at;
    return Object.fromEntries(Object.entries(at).map(([name, inner]) => [visibleText(name), walk(inner)]));
  };
  return walk(value) as T;
}
