import type { Step } from '../web/shared/api.ts';
import { isoOf } from './historyParts.ts';

/** A step while its history is being read. Times in milliseconds. */
export interface Draft {
  /** What it is about, for finding it again. */
  readonly kind: string;
  readonly name: string;
  state: Step['state'];
  readonly startedAt: number;
  endedAt: number | undefined;
  detail: string | undefined;
  readonly retries: { readonly at: string; readonly error: string }[];
  bmcRequests: readonly string[];
  nextAttemptAt: string | undefined;
  /** Its work failed, and may be tried again. */
  hasFailed: boolean;
  /** Belongs to a claim that has ended: nothing continues with it. */
  isSealed: boolean;
}

/** The steps of a run in their order. */
export class Drafts {
  readonly #all: Draft[] = [];

  steps(): Step[] {
    return this.#all.map(({ name, state, startedAt, endedAt, detail, retries, bmcRequests, nextAttemptAt }, index) => ({
      id: String(index + 1),
      name,
      state,
      startedAt: isoOf(startedAt),
      ...(endedAt === undefined ? {} : { endedAt: isoOf(endedAt) }),
      ...(detail === undefined || detail === '' ? {} : { detail }),
      retries: [...retries],
      ...(bmcRequests.length === 0 ? {} : { bmcRequests }),
      ...(nextAttemptAt === undefined || endedAt !== undefined ? {} : { nextAttemptAt }),
    }));
  }

  add(kind: string, name: string, startedAt: number, state: Step['state']): Draft {
    const draft: Draft = {
      kind,
      name,
      state,
      startedAt,
      endedAt: undefined,
      detail: undefined,
      retries: [],
      bmcRequests: [],
      nextAttemptAt: undefined,
      hasFailed: false,
      isSealed: false,
    };
    this.#all.push(draft);
    return draft;
  }

  /** Something without a duration. */
  moment(kind: string, name: string, at: number, state: Step['state'], detail: string | undefined): void {
    const draft = this.add(kind, name, at, state);
    draft.endedAt = at;
    draft.detail = detail;
    draft.isSealed = true;
  }

  /** The last one that has not ended; with a kind, of that kind. */
  open(kind?: string): Draft | undefined {
    return this.#all.findLast((draft) => draft.endedAt === undefined && (kind === undefined || draft.kind === kind));
  }

  /** The last of a kind whose work failed and may be tried again. */
  failed(kind: string): Draft | undefined {
    return this.#all.findLast((draft) => draft.kind === kind && draft.hasFailed && !draft.isSealed);
  }

  /** The last step of all that something may continue with. */
  last(): Draft | undefined {
    return this.#all.findLast((draft) => !draft.isSealed);
  }

  /** Continues with one that had failed, or waits. */
  reopen(draft: Draft): Draft {
    if (draft.hasFailed || draft.endedAt === undefined) {
      draft.endedAt = undefined;
      draft.nextAttemptAt = undefined;
      if (draft.hasFailed) draft.state = 'running';
    }
    return draft;
  }

  end(draft: Draft | undefined, state: Step['state'], at: number): void {
    if (draft === undefined || draft.endedAt !== undefined) return;
    draft.state = state;
    draft.endedAt = at;
    draft.nextAttemptAt = undefined;
    if (state !== 'failed') draft.hasFailed = false;
  }

  /** Ends the open ones of a kind. */
  close(kind: string, state: Step['state'], at: number): void {
    for (const draft of this.#all) if (draft.kind === kind) this.end(draft, state, at);
  }

  endAll(state: Step['state'], at: number): void {
    for (const draft of this.#all) this.end(draft, state, at);
  }

  /** All until here belongs to what is over. */
  seal(): void {
    for (const draft of this.#all) draft.isSealed = true;
  }

  /** What a reset cut off did not continue. */
  cutOff(at: number): void {
    this.endAll('cancelled', at);
    this.seal();
  }
}
