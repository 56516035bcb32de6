import type { Step } from '../web/shared/api.ts';
import { Drafts, type Draft } from './drafts.ts';
import { readRun } from './runSteps.ts';
import { TimerSteps } from './timerSteps.ts';
import { failedDetails, hardwareText, repeated } from './stepTexts.ts';
import {
  idOf,
  isoOf,
  messageOf,
  msOf,
  obj,
  objectOf,
  str,
  summaryOf,
  type Failure,
  type HistoryEvent,
  type PendingActivity,
  type RunHistory,
} from './historyParts.ts';
import { BOOT_ORDER, CHECK_HARDWARE, HIDDEN, STEP_NAMES, WAIT_FOR_HOST, WAIT_FOR_WORKER } from './stepNames.ts';

export type { PendingActivity, RunHistory } from './historyParts.ts';

/**
 * What a run did, step by step, oldest first: for a run of any of our workflows, open or ended. A history alone does
 * not tell of an activity that is being repeated by Temporal: `pending` (`describe().raw.pendingActivities`) does.
 */
export function timelineOf(history: RunHistory, pending: readonly PendingActivity[] = []): Step[] {
  const timeline = new Timeline();
  for (const event of history.events ?? []) timeline.read(event);
  for (const activity of pending) timeline.readPending(activity);
  return timeline.steps();
}

/** A release can continue for days. */
const MAX_BMC_REQUESTS = 100;

interface Started {
  readonly type: string;
  readonly activityId: string;
  readonly draft: Draft | undefined;
  readonly input: Readonly<Record<string, unknown>>;
}

class Timeline {
  readonly #drafts = new Drafts();
  readonly #activities = new Map<string, Started>();
  readonly #timers = new TimerSteps(this.#drafts);
  #isTaskScheduled: number | undefined;
  #isOSReported = false;

  steps(): Step[] {
    if (this.#isTaskScheduled !== undefined && this.#drafts.open() === undefined)
      this.#drafts.add('worker', WAIT_FOR_WORKER, this.#isTaskScheduled, 'waiting');
    return this.#drafts.steps();
  }

  read(event: HistoryEvent): void {
    const at = msOf(event.eventTime);
    this.#readTask(event, at);
    this.#readActivity(event, at);
    this.#timers.read(event, at);
    readRun(this.#drafts, event, at);
  }

  readPending({
    activityId,
    attempt,
    state,
    lastFailure,
    nextAttemptScheduleTime,
    scheduledTime,
  }: PendingActivity): void {
    const started = [...this.#activities.values()].find((one) => one.activityId === activityId);
    const draft = started?.draft;
    if (draft === undefined || draft.endedAt !== undefined) return;
    // 1: it waits for a worker, or for its next attempt.
    const isWaiting = Number(state) === 1;
    const failed = (attempt ?? 1) > 1 && lastFailure;
    if (failed) {
      const next = nextAttemptScheduleTime ?? scheduledTime;
      draft.retries.push({ at: isoOf(draft.startedAt), error: repeated(messageOf(lastFailure), attempt ?? 1) });
      if (isWaiting && next) draft.nextAttemptAt = isoOf(msOf(next));
    }
    if (!isWaiting) return;
    draft.state = 'waiting';
    if (!failed && started?.type !== 'acquirePowerOnPermit') draft.detail ??= 'no worker has taken it yet';
  }

  #readTask(event: HistoryEvent, at: number): void {
    if (event.workflowTaskScheduledEventAttributes) this.#isTaskScheduled = at;
    if (event.workflowTaskStartedEventAttributes) this.#isTaskScheduled = undefined;
    if (event.workflowTaskCompletedEventAttributes) this.#drafts.close('task', 'done', at);
    const failed = event.workflowTaskFailedEventAttributes;
    if (!failed) return;
    if (failed.failure?.resetWorkflowFailureInfo || failed.baseRunId) {
      this.#drafts.cutOff(at);
      this.#drafts.moment('reset', 'Reset by an operator', at, 'done', `was run ${failed.baseRunId ?? ''}`);
      return;
    }
    const draft = this.#drafts.open('task') ?? this.#drafts.add('task', 'Workflow task', at, 'running');
    draft.retries.push({ at: isoOf(at), error: messageOf(failed.failure) });
  }

  #readActivity(event: HistoryEvent, at: number): void {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) {
      const type = scheduled.activityType?.name ?? '';
      const input = objectOf(scheduled.input);
      const draft = HIDDEN.has(type) ? undefined : this.#begin(type, input, at, summaryOf(event));
      this.#activities.set(idOf(event.eventId), { type, activityId: scheduled.activityId ?? '', draft, input });
    }
    const begun = event.activityTaskStartedEventAttributes;
    if (begun?.lastFailure)
      this.#of(begun.scheduledEventId)?.draft?.retries.push({
        at: isoOf(at),
        error: repeated(messageOf(begun.lastFailure), begun.attempt ?? 1),
      });
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed) {
      const result = objectOf(completed.result);
      this.#noteBmc(this.#of(completed.scheduledEventId), result);
      this.#complete(this.#of(completed.scheduledEventId), result, at);
    }
    const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
    if (failed) this.#fail(this.#of(failed.scheduledEventId), failed.failure, at);
    const cancelled = event.activityTaskCanceledEventAttributes;
    if (cancelled) this.#drafts.end(this.#of(cancelled.scheduledEventId)?.draft, 'cancelled', at);
  }

  #of(scheduledEventId: unknown): Started | undefined {
    return this.#activities.get(idOf(scheduledEventId));
  }

  /** The step that an activity belongs to: a new one, or one that it continues with. */
  #begin(type: string, input: Readonly<Record<string, unknown>>, at: number, summary: string): Draft {
    const drafts = this.#drafts;
    const name = STEP_NAMES[type] ?? (summary || type);
    const goOn = (draft: Draft) => drafts.reopen(draft);
    switch (type) {
      case 'claimHost': {
        const waiting = drafts.open('waitForHost') ?? drafts.failed('claimHost');
        return waiting ? goOn(waiting) : drafts.add(type, name, at, 'running');
      }
      case 'prepareBoot':
      case 'acquirePowerOnPermit':
      case 'bootInspector': {
        // Where the boot failed, and all that is repeated before it comes there again, is one step.
        const failed = BOOT_ORDER.slice(BOOT_ORDER.indexOf(type)).map((kind) => drafts.failed(kind));
        const again = failed.find((draft) => draft !== undefined);
        return again
          ? goOn(again)
          : drafts.add(type, name, at, type === 'acquirePowerOnPermit' ? 'waiting' : 'running');
      }
      case 'takeReport':
      case 'settleHandover': {
        const waiting = drafts.open(type);
        return waiting ? goOn(waiting) : drafts.add(type, name, at, 'waiting');
      }
      case 'openProvisioning':
        drafts.close('check', 'done', at);
        break;
      case 'markReleasing':
      case 'releaseHost':
        return this.#beginRelease(input, name, at);
      case 'failMachine': {
        const isCancelled = input['outcome'] === 'Cancelled';
        drafts.endAll(isCancelled ? 'cancelled' : 'failed', at);
        const draft = drafts.add(type, name, at, 'running');
        draft.detail = [str(input['reason']), str(input['message'])].filter(Boolean).join(': ');
        return draft;
      }
    }
    const again = drafts.failed(type);
    return again ? goOn(again) : drafts.add(type, name, at, 'running');
  }

  #beginRelease(input: Readonly<Record<string, unknown>>, name: string, at: number): Draft {
    const drafts = this.#drafts;
    const known = drafts.open('release') ?? drafts.failed('release');
    if (known) return drafts.reopen(known);
    const why = str(input['reason']) ?? '';
    const state = why.startsWith('Cancelled') ? 'cancelled' : 'failed';
    const broken = drafts.open();
    if (broken && state === 'failed') broken.detail = why;
    drafts.endAll(state, at);
    const draft = drafts.add('release', name, at, 'running');
    const host = str(obj(input['claim'])['host']);
    draft.detail = [host, why].filter(Boolean).join(': ');
    return draft;
  }

  #complete(started: Started | undefined, result: Readonly<Record<string, unknown>>, at: number): void {
    const draft = started?.draft;
    if (!started || !draft) return;
    // Folded into a step that continues: the boot starts again before it comes to where it failed.
    if (BOOT_ORDER.includes(started.type) && draft.kind !== started.type) return;
    const kind = str(result['kind']);
    switch (started.type) {
      case 'claimHost':
        return this.#claimed(draft, result, at);
      case 'bootInspector':
        this.#drafts.end(draft, 'done', at);
        return this.#waitForReport(at, str(result['inspectionDeadline']));
      case 'takeReport':
        return this.#reported(draft, result, at);
      case 'openProvisioning': {
        this.#drafts.end(draft, 'done', at);
        const name = this.#isOSReported ? 'Wait for the final OS' : 'Wait for the hand-over';
        const next = this.#drafts.add('settleHandover', name, at, 'waiting');
        const deadline = str(result['deadline']);
        if (deadline !== undefined) next.detail = `until ${deadline} at most`;
        return;
      }
      case 'settleHandover':
        if (kind === 'waiting') return void (draft.state = 'waiting');
        draft.detail = kind === 'failed' ? `the inspection image gave up: ${str(result['reason']) ?? ''}` : undefined;
        return this.#drafts.end(draft, kind === 'failed' ? 'failed' : 'done', at);
      case 'markReleasing':
        if (kind === 'ended') this.#drafts.end(draft, 'done', at);
        return;
      case 'releaseHost':
        this.#drafts.end(draft, 'done', at);
        return this.#drafts.seal();
    }
    if (kind === 'failed' && str(result['nextAttemptAt']) !== undefined) {
      draft.retries.push({ at: isoOf(at), error: str(result['message']) ?? '' });
      draft.state = 'waiting';
      draft.nextAttemptAt = str(result['nextAttemptAt']);
      draft.hasFailed = true;
      return;
    }
    draft.detail ??= str(result['message']);
    this.#drafts.end(draft, 'done', at);
  }

  /** A step of several activities (a retried boot) shows the requests of all. */
  #noteBmc(started: Started | undefined, { bmcRequests }: Readonly<Record<string, unknown>>): void {
    if (started?.draft === undefined || !Array.isArray(bmcRequests)) return;
    const lines = bmcRequests.filter((line) => typeof line === 'string');
    started.draft.bmcRequests = [...started.draft.bmcRequests, ...lines].slice(-MAX_BMC_REQUESTS);
  }

  #claimed(draft: Draft, result: Readonly<Record<string, unknown>>, at: number): void {
    const kind = str(result['kind']);
    const claim = obj(result['claim']);
    if (kind === 'noMatchingHost') {
      const message = str(result['message']);
      if (draft.kind === 'claimHost') this.#drafts.end(draft, 'done', at);
      const waiting =
        draft.kind === 'claimHost' ? this.#drafts.add('waitForHost', WAIT_FOR_HOST, at, 'waiting') : draft;
      waiting.state = 'waiting';
      waiting.detail = message;
      return;
    }
    this.#isOSReported = obj(result['plan'])['readyWhen'] === 'OSReported';
    const host = str(obj(claim['ref'])['host']);
    const isAdopted = claim['isAdopted'] === true;
    draft.detail =
      host === undefined ? str(result['message']) : isAdopted ? `${host}, claimed by an earlier run` : host;
    this.#drafts.end(draft, 'done', at);
    const deadline = str(claim['inspectionDeadline']);
    if (deadline !== undefined && claim['stage'] !== 'Releasing') this.#waitForReport(at, deadline);
  }

  #waitForReport(at: number, deadline: string | undefined): void {
    const draft = this.#drafts.add('takeReport', STEP_NAMES['takeReport'] ?? '', at, 'waiting');
    if (deadline !== undefined) draft.detail = `until ${deadline} at most`;
  }

  #reported(draft: Draft, result: Readonly<Record<string, unknown>>, at: number): void {
    switch (result['kind']) {
      case 'reported': {
        draft.detail = undefined;
        this.#drafts.end(draft, 'done', at);
        this.#drafts.add('check', CHECK_HARDWARE, at, 'running').detail = hardwareText(obj(result['hardware']));
        return;
      }
      case 'waiting':
        draft.state = 'waiting';
        return;
      case 'timedOut':
        draft.detail = 'no report in time';
        return this.#drafts.end(draft, 'failed', at);
      default:
        draft.detail = `the inspection image gave up: ${str(result['reason']) ?? ''}`;
        return this.#drafts.end(draft, 'failed', at);
    }
  }

  #fail(started: Started | undefined, failure: Failure, at: number): void {
    if (!started?.draft) return;
    this.#noteBmc(started, failedDetails(failure));
    if (failure?.canceledFailureInfo) return this.#drafts.end(started.draft, 'cancelled', at);
    started.draft.retries.push({ at: isoOf(at), error: messageOf(failure) });
    started.draft.hasFailed = true;
    this.#drafts.end(started.draft, 'failed', at);
  }
}
