import type { Violation } from '../records.ts';

/**
 * An event of a history in the form that Temporal exports (`temporal workflow show --output json`), as far as it is
 * looked at.
 */
interface Event {
  readonly eventId?: string;
  readonly eventTime?: string;
  readonly activityTaskScheduledEventAttributes?: {
    readonly taskQueue?: { readonly name?: string };
    readonly activityType?: { readonly name?: string };
    readonly input?: { readonly payloads?: readonly { readonly data?: string }[] };
  };
  readonly activityTaskStartedEventAttributes?: Closed;
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

/** One activity on a BMC: of which run, on which claim, from when to when (ms since the epoch). */
interface Call {
  readonly run: string;
  readonly activity: string;
  readonly host: string;
  readonly claim: string;
  /** When a worker took it; Infinity: none did (yet). */
  from: number;
  to: number;
}

/**
 * What the histories of all runs show of rules: never two activities open on a BMC, in a run (rule 6 of docs/rules.md)
 * or for one claim in two runs, a release by `release/<ns>/<host>` alone (docs/decisions/0023), and code that always
 * decides.
 */
export class HistoryRules {
  /** By claim. */
  readonly #calls = new Map<string, Call[]>();

  /** Takes a history, and gives what it breaks by itself. */
  add(run: string, { events = [] }: { readonly events?: readonly Event[] }): Violation[] {
    const found: Violation[] = [];
    /** By the event that scheduled it. */
    const open = new Map<string, Call>();
    for (const event of events) {
      const at = Date.parse(event.eventTime ?? '') || 0;
      const violation = (what: string): void => void found.push({ rule: 6, at, what: `${run}: ${what}` });
      const closed =
        event.activityTaskCompletedEventAttributes ??
        event.activityTaskFailedEventAttributes ??
        event.activityTaskTimedOutEventAttributes ??
        event.activityTaskCanceledEventAttributes;
      const id = String(closed?.scheduledEventId);
      close(open.get(id), at);
      open.delete(id);
      const started = event.activityTaskStartedEventAttributes;
      if (started) start(open.get(String(started.scheduledEventId)), at);
      if (RUN_CLOSED.some((name) => name in event)) for (const call of open.values()) close(call, at);
      const { taskQueue, activityType, input } = event.activityTaskScheduledEventAttributes ?? {};
      if (/^bmc(\.|$)/.test(taskQueue?.name ?? '')) {
        const activity = activityType?.name ?? '';
        if (activity === 'releaseHost' && !run.startsWith('release/'))
          violation('it releases a host itself, which is the work of release/<ns>/<host>');
        const call = { run, activity, ...aboutOf(input?.payloads?.[0]?.data), from: Infinity, to: Infinity };
        if ([...open.values()].some(({ host }) => host === call.host))
          violation(`${activity} was begun while another activity on the BMC of ${call.host} was open`);
        open.set(String(event.eventId), call);
        if (call.claim !== '') this.#calls.set(call.claim, [...(this.#calls.get(call.claim) ?? []), call]);
      }
      const { cause = '', failure } = event.workflowTaskFailedEventAttributes ?? {};
      if (CODE_FAILED.test(cause)) violation(`its code has failed: ${failure?.message ?? ''}`);
    }
    return found;
  }

  /** What two runs did at once on one claim. */
  between(): Violation[] {
    return [...this.#calls.values()].flatMap(overlapping);
  }
}

function overlapping(calls: readonly Call[]): Violation[] {
  return calls.flatMap((one, index) =>
    calls
      .slice(index + 1)
      .filter((other) => other.run !== one.run && one.from < other.to && other.from < one.to)
      .map((other): Violation => {
        const [first, second] = one.from <= other.from ? [one, other] : [other, one];
        const what = `${second.run}: ${second.activity} was begun while ${first.activity} of ${first.run} was open on ${first.host}, on the same claim`;
        return { rule: 6, host: first.host, at: second.from, what };
      }),
  );
}

const RUN_CLOSED = [
  'workflowExecutionCompletedEventAttributes',
  'workflowExecutionFailedEventAttributes',
  'workflowExecutionTimedOutEventAttributes',
  'workflowExecutionTerminatedEventAttributes',
  'workflowExecutionCanceledEventAttributes',
  'workflowExecutionContinuedAsNewEventAttributes',
];

function start(call: Call | undefined, at: number): void {
  if (call) call.from = at;
}

function close(call: Call | undefined, at: number): void {
  if (call) call.to = Math.min(call.to, at);
}

/** Activities are given a claim, or a host. A monitor's is about many hosts, and stands for itself. */
function aboutOf(payload: string | undefined): Pick<Call, 'host' | 'claim'> {
  const input = JSON.parse(Buffer.from(payload ?? '', 'base64').toString('utf8') || '{}') as {
    readonly claim?: { readonly host?: string; readonly id?: string };
    readonly host?: { readonly name?: string };
  };
  return { host: input.claim?.host ?? input.host?.name ?? '', claim: input.claim?.id ?? '' };
}
