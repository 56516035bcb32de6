import { maskText } from './secrets.ts';
import { visibleLine } from './text.ts';

/** More than anything that is stored holds. */
const MAX_LENGTH = 65_536;

/** A message as it may be stored (condition, event): characters that are seen, and nothing that opens anything. */
export function storedText(text: string): string {
  return maskText(visibleLine(text.slice(0, MAX_LENGTH)));
}
