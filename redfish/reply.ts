import { readBmcMessage, isBusyMessage } from './bmcMessage.ts';
import { maskDocument } from '../untrusted/secrets.ts';
import { retryAfterMs } from './delay.ts';
import { RedfishError, type RedfishErrorKind } from './error.ts';
import type { WireReply } from './exchange.ts';
import { parseObject, textOf, type JsonObject } from './json.ts';

/** An answer of the BMC, parsed as far as it can be. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined when the body is empty or not a JSON object. */
  readonly json: JsonObject | undefined;
}

/** A read resource. */
export interface Resource {
  readonly path: string;
  readonly json: JsonObject;
  /** From the `ETag` header, else from `@odata.etag`. */
  readonly etag: string | undefined;
  /** When the answer was there, by `performance.now()`. */
  readonly readAtMs: number;
}

/**
 * Parses a wire reply; never throws. A BMC that repeats the credentials (as its model, a serial number, a message) is
 * not heard: they are cut out before anything is read of it.
 */
export function parseReply(wire: WireReply, secrets: readonly string[]): Reply {
  const json = wire.body === '' ? undefined : parseObject(wire.body);
  return {
    status: wire.status,
    headers: wire.headers,
    json: json && maskDocument(json, secrets, { isKept: isProtocol }),
  };
}

/**
 * What is compared or followed and not shown as it is: a password of the same letters must not hide that a server is
 * on.
 */
function isProtocol(text: string): boolean {
  return text.startsWith('/') || PROTOCOL_WORDS.has(text);
}

/** Values of DSP0268 that decide. */
const PROTOCOL_WORDS: ReadonlySet<string> = new Set([
  ...['On', 'Off', 'PoweringOn', 'PoweringOff', 'Paused', 'ForceOn', 'ForceOff', 'GracefulShutdown', 'GracefulRestart'],
  ...[
    'ForceRestart',
    'PowerCycle',
    'FullPowerCycle',
    'PushPowerButton',
    'Nmi',
    'None',
    'Pxe',
    'UefiHttp',
    'UefiTarget',
  ],
  ...[
    'Once',
    'Continuous',
    'Disabled',
    'Enabled',
    'UEFI',
    'Legacy',
    'Hdd',
    'Usb',
    'BiosSetup',
    'UefiShell',
    'Utilities',
  ],
  ...['PowerState', 'Boot', 'Actions', 'Members', 'Target', 'target', 'Status', 'Health', 'TaskState', 'TaskStatus'],
  ...['New', 'Starting', 'Running', 'Completed', 'Exception', 'Cancelled', 'Killed', 'Critical', 'Warning', 'Systems'],
]);

/** Whether the status is a 2xx. For a change, it only means that it was accepted. */
export function isSuccess(reply: Reply): boolean {
  return reply.status >= 200 && reply.status < 300;
}

/**
 * Whether a change was accepted. 303 says so too, and where its result can be read (RFC 9110 §15.4.4), which the caller
 * does anyway.
 */
export function isAccepted(reply: Reply): boolean {
  return isSuccess(reply) || reply.status === 303;
}

/**
 * Redirects are followed with the same method. 303 tells a changing request to fetch its result: it is an answer then.
 */
export function isRedirect({ status, headers }: Reply, method: string): boolean {
  if (headers['location'] === undefined) return false;
  return [301, 302, 307, 308].includes(status) || (status === 303 && method === 'GET');
}

/**
 * The resource in a successful GET's answer. Throws `Protocol` (retryable: a starting BMC serves odd pages) when there
 * is none.
 */
export function resourceOf(reply: Reply, path: string, what: string): Resource {
  if (reply.json === undefined) {
    const message = `${what} was answered with ${reply.status}, but not with a JSON object: is this a Redfish service?`;
    throw new RedfishError('Protocol', message, { status: reply.status, retryable: true });
  }
  const etag = reply.headers['etag'] ?? textOf(reply.json['@odata.etag']);
  // Header values with characters that may not be sent back are not ETags.
  const sendable = etag !== undefined && /^[\x21-\x7e]+$/.test(etag) ? etag : undefined;
  return { path, json: reply.json, etag: sendable, readAtMs: performance.now() };
}

/**
 * The error of an answer that is not a 2xx, in the operator's words and with the BMC's own text. `changes` says that
 * the request was one that changes something.
 */
export function refusalOf(
  reply: Reply,
  what: string,
  changes: boolean,
  redact: (text: string) => string,
): RedfishError {
  const said = readBmcMessage(reply.json, redact);
  const wantsLicense = LICENSE.test([said.text, ...said.messageIds].join(' '));
  const kind = kindOf(reply.status, said.messageIds, changes, wantsLicense);
  const quote = said.text === '' ? '' : `: "${said.text}"`;
  return new RedfishError(
    kind,
    `${what} was ${verb(kind)} with ${reply.status}${quote}${wantsLicense ? NO_LICENSE : advice(kind)}`,
    {
      status: reply.status,
      messageIds: said.messageIds,
      retryAfterMs: retryAfterMs(reply.headers['retry-after']),
      retryable: kind === 'Busy' || reply.status >= 500,
      // 502 and 504 come from something in front of the service that did not hear the outcome.
      mayHaveLanded: changes && (reply.status === 502 || reply.status === 504 || reply.status === 500),
    },
  );
}

/** Whether the error body names `property` (in texts, MessageArgs or RelatedProperties). */
export function namesProperty(reply: Reply, property: string): boolean {
  return readBmcMessage(reply.json, (text) => text).mentions.includes(property);
}

/** Some BMCs answer 403 where a feature is not licensed: no account fixes that. */
const LICENSE = /licen[cs]e/i;
const NO_LICENSE = '; the BMC asks for a license, the account is not the reason';

function kindOf(
  status: number,
  messageIds: readonly string[],
  changes: boolean,
  wantsLicense: boolean,
): RedfishErrorKind {
  if (status === 401 || (status === 403 && !wantsLicense)) return 'Unauthorized';
  if ([408, 429, 502, 503, 504].includes(status) || isBusyMessage(messageIds)) return 'Busy';
  return changes ? 'Refused' : 'Protocol';
}

function verb(kind: RedfishErrorKind): string {
  return kind === 'Busy' ? 'put off' : kind === 'Protocol' ? 'answered' : 'refused';
}

function advice(kind: RedfishErrorKind): string {
  if (kind === 'Busy') return '; the BMC is busy and will be asked again';
  if (kind === 'Unauthorized') return '; check the account in the credentials Secret and its privileges';
  return '';
}
