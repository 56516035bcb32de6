const ESCAPED = new Set('"\\/bfnrtu');
const NO_NUMBERS = ['NaN', 'Infinity', '-Infinity'];

/**
 * The object that a text begins with, as JSON; undefined when it has no end. Some BMCs write what no parser takes, and
 * mean what anyone can read: control characters (mostly tabs of SMBIOS) or escapes that are none in texts, NaN for a
 * sensor without a value, a comma after the last member, a zero byte or the rest of what was in a buffer after the
 * object. One pass; nothing else is changed, so what is broken in another way is broken still.
 */
export function mendJson(text: string): string | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  let isText = false;
  /** Where the last comma is, when only blanks have followed. */
  let comma = -1;
  const replace = (at: number, length: number, by: string): void => {
    parts.push(text.slice(start, at), by);
    start = at + length;
  };
  for (let at = 0; at < text.length; at += 1) {
    const mark = text[at] ?? '';
    if (isText) {
      if (mark === '"') isText = false;
      else if (mark === '\\' && ESCAPED.has(text[at + 1] ?? '')) at += 1;
      else if (mark === '\\') replace(at, 1, '');
      else if (mark < ' ') replace(at, 1, ' ');
      continue;
    }
    if (mark === '}' || mark === ']') {
      if (comma !== -1) replace(comma, 1, '');
      depth -= 1;
      if (depth === 0) return parts.join('') + text.slice(start, at + 1);
    }
    if (mark === '{' || mark === '[') depth += 1;
    if (mark === '"') isText = true;
    const noNumber = 'NI-'.includes(mark) ? NO_NUMBERS.find((word) => text.startsWith(word, at)) : undefined;
    if (noNumber !== undefined) {
      replace(at, noNumber.length, 'null');
      at += noNumber.length - 1;
    }
    if (mark === ',') comma = at;
    else if (mark.trim() !== '') comma = -1;
  }
  return undefined;
}
