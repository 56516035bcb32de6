import { useEffect, useRef, useState } from 'preact/hooks';
import { read, type RequestFailed } from './request.ts';

/** What the page has of an object; `status` is the HTTP status, 0 without an answer. */
export type Detail<Answer> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'here'; readonly data: Answer; readonly problem?: string }
  | { readonly kind: 'failed'; readonly status: number; readonly message: string };

/**
 * One object's details, read when the view opens and again when `version` changes (its row in the stream changed), and
 * by `again`. What was read stays on the page while it is read again; `problem` then says why a later read failed.
 */
export function useDetail<Answer>(path: string, version: unknown): [Detail<Answer>, () => void] {
  const [detail, setDetail] = useState<Detail<Answer>>({ kind: 'loading' });
  const [asked, setAsked] = useState(0);
  const shownPath = useRef('');
  useEffect(() => {
    const stop = new AbortController();
    if (shownPath.current !== path) setDetail({ kind: 'loading' });
    shownPath.current = path;
    read<Answer>(path, stop.signal).then(
      (data) => setDetail({ kind: 'here', data }),
      (error: RequestFailed) => {
        if (stop.signal.aborted) return;
        setDetail((old) =>
          old.kind === 'here' && error.status !== 404
            ? { ...old, problem: error.message }
            : { kind: 'failed', status: error.status, message: error.message },
        );
      },
    );
    return () => stop.abort();
  }, [path, version, asked]);
  return [detail, () => setAsked((times) => times + 1)];
}
