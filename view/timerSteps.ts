import type { Draft, Drafts } from './drafts.ts';
import { idOf, isoOf, msOf, summaryOf, type HistoryEvent } from './historyParts.ts';

/** The waits of a run by its timers: steps of their own, or the pause before a failed step is tried again. */
export class TimerSteps {
  readonly #drafts: Drafts;
  readonly #byEvent = new Map<string, Draft>();

  constructor(drafts: Drafts) {
    this.#drafts = drafts;
  }

  /** Reads an event that starts or ends a timer; others change nothing. `at`: its time, in milliseconds. */
  read(event: HistoryEvent, at: number): void {
    const started = event.timerStartedEventAttributes;
    if (started) {
      const summary = summaryOf(event);
      const last = this.#drafts.last();
      // The time-outs belong to the wait that is shown already.
      if (summary === 'Inspection timeout' || summary === 'Provisioning timeout') return;
      const until = isoOf(at + msOf(started.startToFireTimeout));
      if (last?.hasFailed === true) {
        this.#drafts.reopen(last).state = 'waiting';
        last.nextAttemptAt = until;
        last.hasFailed = true;
        this.#byEvent.set(idOf(event.eventId), last);
        return;
      }
      const draft = this.#drafts.add('timer', summary || 'Wait', at, 'waiting');
      draft.detail = `until ${until} at most`;
      this.#byEvent.set(idOf(event.eventId), draft);
    }
    const over = event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes;
    const draft = over ? this.#byEvent.get(idOf(over.startedEventId)) : undefined;
    if (!draft) return;
    draft.nextAttemptAt = undefined;
    if (draft.kind === 'timer') this.#drafts.end(draft, 'done', at);
    else if (draft.endedAt === undefined) draft.state = 'running';
  }
}
