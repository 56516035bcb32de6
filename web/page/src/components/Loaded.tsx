import type { ComponentChildren } from 'preact';
import type { Detail } from '../data/useDetail.ts';

interface Props<Answer> {
  readonly detail: Detail<Answer>;
  /** `Host ns/name`, for the sentence when there is none. */
  readonly what: string;
  readonly draw: (data: Answer) => ComponentChildren;
}

/** Draws details that are here, and says it when they are not, or are no longer fresh. */
export function Loaded<Answer>({ detail, what, draw }: Props<Answer>) {
  if (detail.kind === 'loading')
    return (
      <p class="empty" role="status">
        reading …
      </p>
    );
  if (detail.kind === 'failed')
    return (
      <div class="card">
        <h1>{detail.status === 404 ? `${what} is not there` : what}</h1>
        <p class="note bad" role="alert">
          {detail.message}
        </p>
      </div>
    );
  return (
    <>
      {detail.problem && (
        <p class="note warn said" role="alert">
          What you see may be old: {detail.problem}
        </p>
      )}
      {draw(detail.data)}
    </>
  );
}
