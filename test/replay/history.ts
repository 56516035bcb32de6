import { readFileSync } from 'node:fs';
import { WORKFLOW_TYPES } from '../../contracts/names.ts';

type Json = Readonly<Record<string, unknown>>;

/** A history as `temporal workflow show -o json` prints it. */
export interface RecordedHistory {
  readonly events: readonly Json[];
}

/** A kind of run, as its workflow id begins. */
export type Kind = keyof typeof WORKFLOW_TYPES;

/** Reads a recorded history. */
export function readHistory(file: string): RecordedHistory {
  return JSON.parse(readFileSync(file, 'utf8')) as RecordedHistory;
}

/** The workflow id that a file was named after: workflow code reads it. */
export function workflowIdOf(fileName: string): string {
  return fileName.replace(/-[a-z]+-[0-9a-f]{4}\.json$/, '').replaceAll('_', '/');
}

/** Which kind of run a file is of. */
export function kindOf(fileName: string): Kind {
  const [kind = ''] = fileName.split('_');
  if (!Object.hasOwn(WORKFLOW_TYPES, kind)) throw new Error(`${fileName}: there is no kind of run "${kind}"`);
  return kind as Kind;
}

/**
 * What happened to the workflow code of a run, in its order and in words: `claimHost`, `claimHost: claimed`,
 * `retireHost timed out: HEARTBEAT`, `timer`, `timer fired`, `signal hostAvailable`, `patch <id>`, `CONTINUED_AS_NEW`
 * and so on. Workflow tasks are no steps, unless they failed or Temporal suggests a fresh history with them.
 */
export function stepsOf({ events }: RecordedHistory): string[] {
  const activities = new Map<string, string>();
  return events.flatMap((event) => {
    const type = String(event.eventType).replace('EVENT_TYPE_', '');
    const attributes = (Object.entries(event).find(([name]) => name.endsWith('EventAttributes'))?.[1] ?? {}) as Json;
    const activity = () => activities.get(String(attributes.scheduledEventId)) ?? '';
    switch (type) {
      case 'ACTIVITY_TASK_SCHEDULED': {
        const name = text(attributes, 'activityType', 'name');
        activities.set(String(event.eventId), name);
        return [name];
      }
      case 'ACTIVITY_TASK_COMPLETED':
        return [`${activity()}: ${resultKind(attributes)}`];
      case 'ACTIVITY_TASK_FAILED':
        return [`${activity()} failed: ${text(attributes, 'failure', 'applicationFailureInfo', 'type')}`];
      case 'ACTIVITY_TASK_TIMED_OUT':
        return [`${activity()} timed out: ${timeoutOf(attributes)}`];
      case 'ACTIVITY_TASK_CANCELED':
        return [`${activity()} cancelled`];
      case 'TIMER_STARTED':
        return ['timer'];
      case 'TIMER_FIRED':
        return ['timer fired'];
      case 'WORKFLOW_EXECUTION_SIGNALED':
        return [`signal ${text(attributes, 'signalName')}`];
      case 'MARKER_RECORDED':
        return [`patch ${patchOf(attributes)}`];
      case 'WORKFLOW_TASK_FAILED':
        return [`workflow task failed: ${text(attributes, 'cause').replace('WORKFLOW_TASK_FAILED_CAUSE_', '')}`];
      case 'WORKFLOW_TASK_STARTED':
        return attributes.suggestContinueAsNew === true ? ['fresh history suggested'] : [];
      case 'WORKFLOW_TASK_SCHEDULED':
      case 'WORKFLOW_TASK_COMPLETED':
      case 'WORKFLOW_TASK_TIMED_OUT':
      case 'ACTIVITY_TASK_STARTED':
        return [];
      default:
        return [type.replace('WORKFLOW_EXECUTION_', '')];
    }
  });
}

/** The ids of the patches whose markers a history has. */
export function patchesOf(history: RecordedHistory): string[] {
  return stepsOf(history).flatMap((step) => (step.startsWith('patch ') ? [step.slice('patch '.length)] : []));
}

/** What is at the end of a way of names; empty when it is not there. */
function text(from: Json, ...names: readonly string[]): string {
  const found = names.reduce<unknown>((value, name) => (value as Json | undefined)?.[name], from);
  return typeof found === 'string' ? found : '';
}

/** Which kind of result an activity gave; `done` when it gives none. */
function resultKind(attributes: Json): string {
  const kind = (payloads(attributes.result)[0] as { kind?: unknown } | null | undefined)?.kind;
  return typeof kind === 'string' ? kind : 'done';
}

function timeoutOf(attributes: Json): string {
  return text(attributes, 'failure', 'timeoutFailureInfo', 'timeoutType').replace('TIMEOUT_TYPE_', '');
}

function patchOf({ details }: Json): string {
  const [data] = payloads((details as Json | undefined)?.['patch-data']);
  return (data as { id?: string } | undefined)?.id ?? '';
}

function payloads(of: unknown): unknown[] {
  const { payloads: all = [] } = (of ?? {}) as { payloads?: { data?: string }[] };
  return all.map(({ data }) => (data === undefined ? undefined : JSON.parse(Buffer.from(data, 'base64').toString())));
}
