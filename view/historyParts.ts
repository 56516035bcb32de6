import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import type { WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';

/** Pieces of a Temporal history, read without trust in what is there. */

/** The history of a run, as `handle.fetchHistory()` gives it. */
export type RunHistory = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
/** One event of a history (temporal.api.history.v1.HistoryEvent); every field may be absent. */
export type HistoryEvent = NonNullable<RunHistory['events']>[number];
/** An activity that has not ended, as `handle.describe()` gives it in `raw.pendingActivities`. */
export type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

type Time = HistoryEvent['eventTime'];
type Payloads = NonNullable<HistoryEvent['activityTaskCompletedEventAttributes']>['result'];
/** Why an activity failed (temporal.api.failure.v1.Failure), with its chain of causes. */
export type Failure = NonNullable<HistoryEvent['activityTaskFailedEventAttributes']>['failure'];

/** A number of 64 bits, as a word that can be compared. */
export function idOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value);
}

/** Milliseconds; 0 where there is no time. */
export function msOf(time: Time): number {
  return Number(time?.seconds ?? 0) * 1000 + Math.floor((time?.nanos ?? 0) / 1e6);
}

/** RFC 3339. */
export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** The first payload as an object; empty when it is none, or not in JSON. */
export function objectOf(payloads: Payloads): Readonly<Record<string, unknown>> {
  const value = valueOf(payloads?.payloads?.[0]?.data);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The first payload as text; undefined when it is none. */
export function textOf(payloads: Payloads): string | undefined {
  const value = valueOf(payloads?.payloads?.[0]?.data);
  return typeof value === 'string' ? value : undefined;
}

/** The summary of an activity or a timer; empty without one. */
export function summaryOf(event: HistoryEvent): string {
  const value = valueOf(event.userMetadata?.summary?.data);
  return typeof value === 'string' ? value : '';
}

/** What went wrong, for the operator: what was said last, without the frames around it. */
export function messageOf(failure: Failure): string {
  let told = failure?.message ?? '';
  const timeout = failure?.timeoutFailureInfo;
  for (let cause = failure?.cause; cause; cause = cause.cause)
    if (cause.message) told = timeout ? `${told}: ${cause.message}` : cause.message;
  if (told !== '') return told;
  return timeout ? 'the call timed out' : 'no message';
}

/** The value if it is a text that is not empty. */
export function str(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The value if it is an object, else an empty one. */
export function obj(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function valueOf(data: Uint8Array | null | undefined): unknown {
  if (!data || data.length === 0) return undefined;
  return tryParseJson(Buffer.from(data).toString('utf8'), JSON_BOUNDS.payload);
}
