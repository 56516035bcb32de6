import { maskSecrets } from '../untrusted/secrets.ts';
import { field, listOf, objectOf, textOf, type JsonObject } from './json.ts';

/** What a BMC said in an error body, for people and for decisions. */
export interface BmcMessage {
  /** The texts, joined; empty when the BMC said nothing usable. At most about 1000 characters. */
  readonly text: string;
  readonly messageIds: readonly string[];
  /** Texts, MessageArgs and RelatedProperties together, to look for the name of a property in. */
  readonly mentions: string;
}

const MAX_MESSAGES = 8;
const MAX_MESSAGE_LENGTH = 300;
const MAX_TEXT_LENGTH = 1000;

/**
 * MessageIds that mean "later", whatever the HTTP status: Base registry, and iLO during POST or soon after a change.
 */
const BUSY_IDS =
  /(UnableToModifyDuringSystemPOST|ResourceInUse|ResourceNotReadyRetry|ResourceTemporarilyUnavailable|ResourceBusy|ServiceTemporarilyUnavailable|ServiceShuttingDown|ServiceInUnknownState|InvalidOperationForSystemState|ResourceInStandby|SessionLimitExceeded|CreateLimitReachedForResource|RAC0218|ActionNotSupportedDuring\w*|DeviceBusy|DeviceNotReady|TryAgain\w*)$/i;

/**
 * Reads `error.@Message.ExtendedInfo` (DSP0266 §"Error responses"), wherever real BMCs put it; `redact` removes
 * credentials.
 */
export function readBmcMessage(body: JsonObject | undefined, redact: (text: string) => string): BmcMessage {
  // Redacted before it is cut: half a password is one too much.
  const clean = (value: unknown, maxLength?: number): string | undefined =>
    typeof value === 'string' ? textOf(redact(value), maxLength) : undefined;
  const error = objectOf(field(body, 'error'));
  const entries = [
    ...extendedInfo(field(error, '@Message.ExtendedInfo')),
    ...extendedInfo(field(body, '@Message.ExtendedInfo')),
    ...extendedInfo(field(body, 'Messages')),
  ].slice(0, MAX_MESSAGES);
  const texts = new Set<string>();
  const ids: string[] = [];
  const mentions: string[] = [];
  for (const entry of entries) {
    const message = clean(field(entry, 'Message'), MAX_MESSAGE_LENGTH);
    const resolution = clean(field(entry, 'Resolution'), MAX_MESSAGE_LENGTH);
    const id = clean(field(entry, 'MessageId'));
    if (id !== undefined) ids.push(id);
    const text = [message ?? id, resolution === 'None' ? undefined : resolution].filter((part) => part !== undefined);
    if (text.length > 0) texts.add(text.join(' '));
    mentions.push(
      ...[...listOf(field(entry, 'MessageArgs'), 16), ...listOf(field(entry, 'RelatedProperties'), 16)].flatMap(
        (part) => clean(part) ?? [],
      ),
    );
  }
  const overall = clean(field(error, 'message'), MAX_MESSAGE_LENGTH);
  if (overall !== undefined && texts.size === 0) texts.add(overall);
  const code = clean(field(error, 'code'));
  if (code !== undefined && ids.length === 0) ids.push(code);
  const text = [...texts].join(' ').slice(0, MAX_TEXT_LENGTH);
  return { text, messageIds: ids, mentions: [...texts, ...mentions, overall ?? ''].join(' ') };
}

/** Whether the BMC meant "not now" rather than "no". */
export function isBusyMessage(messageIds: readonly string[]): boolean {
  return messageIds.some((id) => BUSY_IDS.test(id));
}

/** Makes a function that replaces each of the secrets, in any of its forms, by `***`. */
export function redactor(secrets: () => readonly string[]): (text: string) => string {
  return (text) => maskSecrets(text, secrets());
}

function extendedInfo(value: unknown): readonly unknown[] {
  // Some BMCs send one object where the schema says an array.
  return Array.isArray(value) ? value.slice(0, MAX_MESSAGES) : value === undefined ? [] : [value];
}
