import type { BmcMessage } from './bmcMessage.ts';
import type { ConnectionConfig } from './connectionOptions.ts';
import { RedfishError } from './error.ts';
import type { Reply } from './reply.ts';

/** How long an account is left alone when the BMC does not say for how long it is locked: what most lock for. */
const LOCKED_MS = 10 * 60_000;
/** What many say at each refusal: "wrong password, or the account is locked". */
const PERHAPS = /\b(or|may|might|could|check|whether|if|not|unless|un)\b[^.;]{0,60}\b(locked|blocked|lock-?out)\b/i;
const LEAST_LOCKED_MS = 10_000;
const MOST_LOCKED_MS = 3_600_000;

/** DSP0266 §"Password change required handling": 403 to everything until the password is another. */
export function isPasswordChangeRequired({ messageIds }: BmcMessage): boolean {
  return messageIds.some((id) => /(^|\.)PasswordChangeRequired$/i.test(id));
}

/**
 * For how long the BMC says that the account is locked, by `Retry-After` or its own words; 10 minutes where it says
 * only that. Undefined when it does not say so.
 */
export function lockedForMs({ text, messageIds }: BmcMessage, retryAfter: string | undefined): number | undefined {
  const isLocked =
    messageIds.some((id) => /Account\w*Locked|Locked\w*Account|LoginAttemptDelayed|UserLocked|LockedOut/i.test(id)) ||
    (!PERHAPS.test(text) &&
      /\b(account|user|login)\b[^.]{0,60}\b(locked|blocked|lock-?out)|too many (failed )?(log-?in|authentication|attempts)|locked out/i.test(
        text,
      ));
  if (!isLocked) return undefined;
  const told = /(\d{1,5})\s*(second|sec\b|minute|min\b)/i.exec(text);
  const seconds = /^\s*\d{1,6}\s*$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined;
  const toldMs =
    told === null ? undefined : Number(told[1]) * (told[2]?.toLowerCase().startsWith('m') ? 60_000 : 1_000);
  const ms = seconds === undefined ? (toldMs ?? LOCKED_MS) : seconds * 1_000;
  return Math.min(MOST_LOCKED_MS, Math.max(LEAST_LOCKED_MS, ms));
}

/** What the BMC said, in words that follow a clause; empty when it said nothing. */
function saying(text: string): string {
  return text === '' ? '' : `, saying "${text}"`;
}

/** The same after a colon. */
export function quote(text: string): string {
  return text === '' ? '' : `: "${text}"`;
}

/** The time so many milliseconds from now, RFC 3339 in seconds. */
function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Whose log-in was refused, and how. */
export interface RefusedLogin {
  readonly config: Pick<ConnectionConfig, 'username' | 'host' | 'authentication'>;
  readonly reply: Reply;
  readonly said: BmcMessage;
}

/** The password is wrong, or the account is; it is not sent again for `holdMs`. */
export function refusedError({ config, reply, said }: RefusedLogin, holdMs: number): RedfishError {
  const { username, host, authentication } = config;
  const other =
    authentication === 'Auto' && /basic/i.test(reply.headers['www-authenticate'] ?? '')
      ? ' Where the BMC takes sessions only, set redfishConnection.authentication: Session.'
      : '';
  const message =
    `the BMC ${host} refuses the user ${JSON.stringify(username)} (${reply.status})${saying(said.text)}: ` +
    'check username and password in the credentials Secret, and that the account is not locked. So that it does not get locked, the same ' +
    `password is not sent again before ${inMs(holdMs)}, unless the Secret changes.${other}`;
  const { status } = reply;
  return new RedfishError('Unauthorized', message, { status, messageIds: said.messageIds, retryable: false });
}

/** The account is locked for so long. */
export function lockedError({ config, reply, said }: RefusedLogin, ms: number): RedfishError {
  const { username, host } = config;
  const message =
    `the account ${JSON.stringify(username)} of the BMC ${host} is locked (${reply.status})${saying(said.text)}: ` +
    `it is left alone until ${inMs(ms)}, since each log-in would prolong that. Find out who uses a wrong password`;
  const { status } = reply;
  return new RedfishError('Unauthorized', message, { status, messageIds: said.messageIds, retryable: false });
}

/** The password is good, and has to be replaced before anything else is done. */
export function passwordChangeError({ config, reply, said }: RefusedLogin): RedfishError {
  const { username, host } = config;
  const message =
    `the BMC ${host} wants the user ${JSON.stringify(username)} to change its password first (${reply.status})${saying(said.text)}: ` +
    'set a new one at the BMC and put it into the credentials Secret';
  return new RedfishError('PasswordChangeRequired', message, { status: reply.status, messageIds: said.messageIds });
}
