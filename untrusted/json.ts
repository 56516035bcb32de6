/** What a JSON text may be at most, before it is parsed. */
export interface JsonBounds {
  /** UTF-16 code units of the text. */
  readonly maxLength: number;
  /** Objects and lists inside each other. */
  readonly maxDepth: number;
  /** Objects, lists, members and elements: braces, brackets and commas outside of texts. */
  readonly maxMarks: number;
}

const MAX_DEPTH = 64;

/**
 * Bounds by where the text comes from. The marks are what holds the event loop: an object with 50,000 different names
 * is parsed in about 50 ms on a machine of 2024.
 */
export const JSON_BOUNDS = {
  /** The body of a BMC's answer, of a report, a report that was kept. */
  document: { maxLength: 4 * 2 ** 20, maxDepth: MAX_DEPTH, maxMarks: 50_000 },
  /** An annotation or an entry of a Secret: all annotations of an object are 256 KiB at most. */
  annotation: { maxLength: 256 * 1024, maxDepth: 16, maxMarks: 10_000 },
  /** A small request: a log-in, a reason. */
  request: { maxLength: 64 * 1024, maxDepth: 8, maxMarks: 100 },
  /** A payload out of a Temporal history, where 2 MiB are the most. */
  payload: { maxLength: 2 * 2 ** 20, maxDepth: MAX_DEPTH, maxMarks: 50_000 },
  /** The argument of an activity: names, a plan, a sentence for an operator. */
  activityInput: { maxLength: 256 * 1024, maxDepth: 16, maxMarks: 10_000 },
} as const satisfies Record<string, JsonBounds>;

/** Why a text was not parsed, in words that repeat nothing of it. */
export class JsonRefused extends Error {
  override readonly name = 'JsonRefused';
  readonly kind: 'malformed' | 'too large';

  constructor(kind: 'malformed' | 'too large', message: string) {
    super(message);
    this.kind = kind;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Parses JSON that others wrote. Size, depth and number of marks are checked first, in one pass over the text that
 * stops at the first bound: `JSON.parse` works on a text for as long as it takes, and on 4 MB of `[` that is seconds.
 * Throws JsonRefused.
 */
export function parseJson(text: string, bounds: JsonBounds): unknown {
  checkJson(text, bounds);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The message of the engine quotes the text, which may hold a secret.
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    const where = position === undefined ? '' : ` at character ${position}`;
    throw new JsonRefused('malformed', `it is not JSON: it breaks off or is malformed${where}`);
  }
}

/** The same; undefined for what cannot be parsed or is beyond its bounds. */
export function tryParseJson(text: string, bounds: JsonBounds): unknown {
  try {
    return parseJson(text, bounds);
  } catch {
    return undefined;
  }
}

/** The bounds alone, for text that another parser reads. Throws JsonRefused; whether it is JSON at all is not said. */
function checkJson(text: string, { maxLength, maxDepth, maxMarks }: JsonBounds): void {
  if (text.length > maxLength) throw new JsonRefused('too large', `it has more than ${maxLength} characters`);
  let depth = 0;
  let marks = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfText(text, at);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        marks += 1;
        if (depth > maxDepth)
          throw new JsonRefused('too large', `it has more than ${maxDepth} objects and lists inside each other`);
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COMMA:
        marks += 1;
        break;
      default:
        break;
    }
    if (marks > maxMarks) throw new JsonRefused('too large', `it has more than ${maxMarks} members and elements`);
  }
}

/** Where the text ends that begins at a quote. */
function endOfText(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}
