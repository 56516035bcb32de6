import type { Violation } from '../records.ts';

/** An event of a history in the form that Temporal exports (`temporal workflow show --output json`), as far as it is looked at. */
interface Event {
  readonly eventId?: string;
  readonly eventTime?: string;
  readonly activityTaskScheduledEventAttributes?: {
    readonly taskQueue?: { readonly name?: string };
    readonly activityType?: { readonly name?: string };
    readonly input?: { readonly payloads?: readonly { readonly data?: string }[] };
  };
  readonly activityTaskCompletedEventAttributes?: Closed;
  readonly activityTaskFailedEventAttributes?: Closed;
  readonly activityTaskTimedOutEventAttributes?: Closed;
  readonly activityTaskCanceledEventAttributes?: Closed;
  readonly workflowTaskFailedEventAttributes?: {
    readonly cause?: string;
    readonly failure?: { readonly message?: string };
  };
}

interface Closed {
  readonly scheduledEventId?: string;
}

/** A workflow task that fails so has met code that is wrong, not a fault from outside. */
const CODE_FAILED = /NON_DETERMINISTIC_ERROR|WORKFLOW_WORKER_UNHANDLED_FAILURE/;

/** What a run's history shows of rules: never two activities open on a BMC (rule 6 of docs/rules.md), and code that always decides. */
export function historyRules(run: string, { events = [] }: { readonly events?: readonly Event[] }): Violation[] {
  const found: Violation[] = [];
  /** Which host each open activity is about, by the event that scheduled it. */
  const open = new Map<string, string>();
  for (const event of events) {
    const at = Date.parse(event.eventTime ?? '') || 0;
    const violation = (what: string): void => void found.push({ rule: 6, at, what: `${run}: ${what}` });
    const closed =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (closed) open.delete(String(closed.scheduledEventId));
    const { taskQueue, activityType, input } = event.activityTaskScheduledEventAttributes ?? {};
    if (/^bmc(\.|$)/.test(taskQueue?.name ?? '')) {
      const host = hostOf(input?.payloads?.[0]?.data);
      if ([...open.values()].includes(host))
        violation(`${activityType?.name ?? ''} was begun while another activity on the BMC of ${host} was open`);
      open.set(String(event.eventId), host);
    }
    const { cause = '', failure } = event.workflowTaskFailedEventAttributes ?? {};
    if (CODE_FAILED.test(cause)) violation(`its code has failed: ${failure?.message ?? ''}`);
  }
  return found;
}

/** Activities are given a claim, or a host. A monitor's is about many hosts, and stands for itself. */
function hostOf(payload: string | undefined): string {
  const input = JSON.parse(Buffer.from(payload ?? '', 'base64').toString('utf8') || '{}') as {
    readonly claim?: { readonly host?: string };
    readonly host?: { readonly name?: string };
  };
  return input.claim?.host ?? input.host?.name ?? '';
}
