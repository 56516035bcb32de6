/** Just enough of DER (X.690) to write a certificate. */

/** One element: tag, length, content. */
export function element(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body), body]);
}

/** SEQUENCE: items in their order. */
export const sequence = (...items: readonly Buffer[]) => element(0x30, ...items);
/** SET OF with one item, as names have it; DER would want several in order (X.690 §11.6). */
export const set = (...items: readonly Buffer[]) => element(0x31, ...items);
/** OCTET STRING. */
export const octets = (content: Buffer) => element(0x04, content);
/** BIT STRING of whole bytes. */
export const bits = (content: Buffer) => element(0x03, Buffer.from([0]), content);
/** BOOLEAN; DER has 0xff for true (X.690 §11.1). */
export const boolean = (value: boolean) => element(0x01, Buffer.from([value ? 0xff : 0]));
/** UTF8String. */
export const utf8 = (text: string) => element(0x0c, Buffer.from(text, 'utf8'));
/** `[number]`, explicit. */
export const tagged = (number: number, ...content: readonly Buffer[]) => element(0xa0 + number, ...content);
/** `[number]`, implicit, of a primitive. */
export const implicit = (number: number, content: Buffer) => element(0x80 + number, content);

/** A whole number that is not negative, big-endian. */
export function integer(bytes: Buffer): Buffer {
  const isNegativeLooking = ((bytes[0] ?? 0) & 0x80) !== 0;
  return element(0x02, ...(isNegativeLooking ? [Buffer.from([0])] : []), bytes);
}

/** `1.2.840.…` */
export function objectIdentifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return element(0x06, Buffer.from(bytes));
}

/** GeneralizedTime; certificates take it from the year 2050 on, UTCTime before (RFC 5280 §4.1.2.5). */
export function time(date: Date): Buffer {
  const text = `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return date.getUTCFullYear() < 2050
    ? element(0x17, Buffer.from(text.slice(2), 'ascii'))
    : element(0x18, Buffer.from(text, 'ascii'));
}

function lengthOf(body: Buffer): Buffer {
  if (body.length < 0x80) return Buffer.from([body.length]);
  const bytes: number[] = [];
  for (let left = body.length; left > 0; left >>>= 8) bytes.unshift(left & 0xff);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}
