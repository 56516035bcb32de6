import type { Reply } from './reply.ts';

/** What was done so far about the refusals of one request. */
export interface Refusals {
  /** A session was opened for it: no second one. */
  isRenewed: boolean;
  /** Its credentials were found good after it was refused. */
  isProven: boolean;
  repeats: number;
}

/** The state at the start of a request. */
export function noRefusals(): Refusals {
  return { isRenewed: false, isProven: false, repeats: 0 };
}

/** What an answer of 401 or 403 is judged by. */
export interface Refused {
  readonly reply: Reply;
  readonly request: { readonly method: string; readonly path: string };
  /** Names the request in messages. */
  readonly what: string;
  readonly refusals: Refusals;
}
