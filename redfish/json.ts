import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import { visibleLine } from '../untrusted/text.ts';
import { mendJson } from './lenientJson.ts';

/** A JSON object of a BMC. Any field may be missing, null or of another type than the schema says. */
export type JsonObject = Readonly<Record<string, unknown>>;

const MAX_TEXT_LENGTH = 256;

/** `value` when it is a JSON object, else undefined. */
export function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** The field `key` of `value` when that is an own field of a JSON object, else undefined. */
export function field(value: unknown, ...keys: readonly string[]): unknown {
  let at: unknown = value;
  for (const key of keys) {
    const object = objectOf(at);
    if (object === undefined || !Object.hasOwn(object, key)) return undefined;
    at = object[key];
  }
  return at;
}

/**
 * `value` as one line of at most `maxLength` characters without control characters; undefined when it is no text or
 * blank.
 */
export function textOf(value: unknown, maxLength = MAX_TEXT_LENGTH): string | undefined {
  if (typeof value !== 'string') return undefined;
  const line = visibleLine(value.slice(0, maxLength * 4))
    .trim()
    .slice(0, maxLength);
  return line === '' ? undefined : line;
}

/** `value` when it is a finite number, else undefined. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** `value` when it is an array, cut at `maxLength` entries; else an empty one. */
export function listOf(value: unknown, maxLength = 1024): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, maxLength) : [];
}

/** The texts in the array `value`; undefined when it is no array or holds none. */
export function textsOf(value: unknown): readonly string[] | undefined {
  const texts = listOf(value).flatMap((entry) => textOf(entry) ?? []);
  return texts.length === 0 ? undefined : texts;
}

/** The `@odata.id` of a reference such as `{"@odata.id": "/redfish/v1/Systems/1"}`; a bare text counts too. */
export function linkOf(value: unknown): string | undefined {
  return textOf(typeof value === 'string' ? value : field(value, '@odata.id'), 2048);
}

/**
 * Parses the body of a reply; undefined when it does not begin with a JSON object (DSP0266 §"JSON": UTF-8, a BOM is
 * tolerated). What is almost JSON is read as it was meant (`mendJson`).
 */
export function parseObject(body: string): JsonObject | undefined {
  const text = body.replace(/^\ufeff/, '');
  const whole = tryParseJson(text, JSON_BOUNDS.document);
  if (whole !== undefined) return objectOf(whole);
  const mended = text.length > JSON_BOUNDS.document.maxLength ? undefined : mendJson(text);
  return mended === undefined ? undefined : objectOf(tryParseJson(mended, JSON_BOUNDS.document));
}
