import type { Conversation } from './conversation.ts';
import { growingPauseMs, pause, requestedPauseMs, retryAfterMs } from './delay.ts';
import { RedfishError } from './error.ts';
import { readBmcMessage } from './bmcMessage.ts';
import { linkOf, textOf } from './json.ts';
import type { Reply } from './reply.ts';

/** A task is followed for this long; what it changes is watched by other means anyway. */
const MAX_FOLLOW_MS = 30_000;
/** A Dell job is 404 for some seconds after it was created. */
const UNBORN_MS = 10_000;
/**
 * A task that has run for longer may take effect at any time: who gives it up then has something in flight
 * (`mayHaveLanded`).
 */
const SHOWS_MS = 10_000;
const DONE = new Set(['Completed', 'CompletedOK', 'CompletedWithErrors', 'Complete']);
const FAILED = new Set(['Exception', 'Killed', 'Cancelled', 'CompletedWithError', 'Failed']);

/**
 * Follows the task of a 202 answer (DSP0266 §"Asynchronous operations": `Location` is its monitor; some put the task
 * into the body) until it ends, or for 30 s at most: then the outcome has to be seen in the state. Throws `Refused`
 * with the task's messages when it failed.
 */
export async function followTask(
  conversation: Conversation,
  accepted: Reply,
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (accepted.status !== 202) return;
  const link = textOf(accepted.headers['location'], 2048) ?? linkOf(accepted.json);
  if (link === undefined) return;
  const path = conversation.pathOf(link);
  if (path === undefined) return;
  const startedMs = performance.now();
  const endMs = startedMs + Math.min(MAX_FOLLOW_MS, conversation.config.callTimeoutMs);
  let waitMs = waitOf(retryAfterMs(accepted.headers['retry-after']), 0);
  let seen = false;
  for (let attempt = 1; performance.now() + waitMs < endMs; attempt += 1) {
    const look = await pause(waitMs, signal, what)
      .then(() => lookAt(conversation, path, what, { signal, timeoutMs: Math.max(1, endMs - performance.now()) }))
      .catch((error: unknown) => letPass(error, performance.now() - startedMs));
    if (look.kind === 'ended') return;
    if (look.kind === 'absent' && (seen || performance.now() - startedMs > UNBORN_MS)) return;
    seen ||= look.kind === 'running';
    waitMs = waitOf(look.waitMs, attempt);
  }
}

function waitOf(askedMs: number | undefined, attempt: number): number {
  return askedMs === undefined ? growingPauseMs(attempt) : requestedPauseMs(askedMs, attempt);
}

/**
 * The BMC accepted the request: not being able to look at its task is no failure of it. A caller that goes leaves it
 * under way.
 */
function letPass(error: unknown, runsMs: number): Look {
  if (error instanceof RedfishError && error.kind === 'Aborted')
    throw new RedfishError('Aborted', error.message, { cause: error.cause, mayHaveLanded: runsMs > SHOWS_MS });
  if (error instanceof RedfishError && ['Busy', 'Unreachable', 'Timeout'].includes(error.kind))
    return { kind: 'ended' };
  throw error;
}

type Look = { kind: 'running' | 'absent' | 'ended'; waitMs?: number | undefined };

async function lookAt(
  conversation: Conversation,
  path: string,
  what: string,
  options: { signal: AbortSignal | undefined; timeoutMs: number },
): Promise<Look> {
  const reply = await conversation.look(path, options);
  const waitMs = retryAfterMs(reply.headers['retry-after']);
  if (reply.status === 404) return { kind: 'absent', waitMs };
  if (reply.status === 202) return { kind: 'running', waitMs };
  if (reply.status === 410 || reply.status === 204) return { kind: 'ended' };
  if (reply.status >= 400) throw conversation.refusal(reply, { method: 'POST', path });
  const state = textOf(reply.json?.['TaskState']) ?? textOf(reply.json?.['JobState']);
  const status = textOf(reply.json?.['TaskStatus']);
  if (state === undefined || (DONE.has(state) && status !== 'Critical')) return { kind: 'ended' };
  if (!DONE.has(state) && !FAILED.has(state)) return { kind: 'running', waitMs };
  const said = readBmcMessage(reply.json, conversation.redact);
  const quote = said.text === '' ? '' : `: "${said.text}"`;
  throw new RedfishError('Refused', `${what} was accepted, but its task ended ${state}${quote}`, {
    messageIds: said.messageIds,
    retryable: true,
  });
}
