import { maskSecrets, maskText } from '../untrusted/secrets.ts';
import { visibleLine } from '../untrusted/text.ts';

/** Bound of a reason (contract). */
const MAX_BYTES = 256;

/** Replaces a bearer in a text. */
export const CUT = '[secret]';

/**
 * A reason that is safe in a status, an event and a terminal: printable characters only, one line, at most 256 bytes of
 * UTF-8, cut between characters. The bearer with which it came is cut out: tools put their whole command line into what
 * they say.
 */
export function cleanReason(text: string, bearer = ''): string {
  const known = bearer === '' ? [] : [bearer];
  // Before it is cut, and again once it is seen as a reader sees it: half a bearer is one too much.
  const printable = maskText(
    maskSecrets(visibleLine(maskSecrets(text.slice(0, MAX_BYTES * 64), known, CUT)), known, CUT),
    CUT,
  )
    .slice(0, MAX_BYTES * 4)
    .toWellFormed()
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim();
  let cut = '';
  let bytes = 0;
  for (const character of printable) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_BYTES) break;
    cut += character;
  }
  return cut.trim() || 'no reason given';
}
