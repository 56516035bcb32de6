import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** Rows drawn beyond each edge of the window: a fast wheel does not show a gap. */
const OVERSCAN = 12;

interface Window {
  readonly first: number;
  readonly last: number;
}

interface Props<Row> {
  readonly rows: readonly Row[];
  /** Pixels; each row has this height. */
  readonly rowHeight: number;
  readonly keyOf: (row: Row) => string;
  readonly draw: (row: Row, index: number) => ComponentChildren;
  /** The head of the columns; it sticks to the top. */
  readonly head: ComponentChildren;
  readonly label: string;
  readonly columns: number;
}

/**
 * A table of which only the rows in sight are in the document, scrolled with the page itself. Arrow keys, Page Up/Down,
 * Home and End move the focus from row to row; a screen reader gets the whole count and the index of each row.
 */
export function VirtualRows<Row>({ rows, rowHeight, keyOf, draw, head, label, columns }: Props<Row>) {
  const body = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<Window>({ first: 0, last: 40 });
  const focusNext = useRef<number | null>(null);

  const measure = useCallback(() => {
    const element = body.current;
    if (!element) return;
    const top = -element.getBoundingClientRect().top;
    // In steps of four rows: not each pixel of a scroll is a drawing.
    const first = Math.max(0, Math.floor(top / rowHeight / 4) * 4 - OVERSCAN);
    const last = Math.min(rows.length, Math.ceil((top + innerHeight) / rowHeight / 4) * 4 + OVERSCAN);
    setRange((old) => (old.first === first && old.last === last ? old : { first, last }));
  }, [rowHeight, rows.length]);

  useLayoutEffect(measure, [measure]);
  useEffect(() => {
    let frame = 0;
    const soon = () => {
      if (frame === 0)
        frame = requestAnimationFrame(() => {
          frame = 0;
          measure();
        });
    };
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', soon);
      removeEventListener('resize', soon);
    };
  }, [measure]);

  /** Moves the focus to the row that it is due on, when that one is drawn already. */
  const focusDue = () => {
    if (focusNext.current === null) return;
    const link = body.current?.querySelector<HTMLElement>(`[aria-rowindex="${focusNext.current + 2}"] .c-name a`);
    if (!link) return;
    focusNext.current = null;
    link.focus({ preventScroll: true });
  };
  useLayoutEffect(focusDue);

  const move = (event: KeyboardEvent) => {
    const row = (event.target as HTMLElement).closest('[aria-rowindex]');
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const now = Number(row.getAttribute('aria-rowindex')) - 2;
    const page = Math.max(1, Math.floor(innerHeight / rowHeight) - 6);
    const to = target(event.key, now, page, rows.length);
    if (to === undefined) return;
    event.preventDefault();
    focusNext.current = to;
    const element = body.current;
    if (!element) return;
    const top = element.getBoundingClientRect().top + to * rowHeight;
    const headroom = rowHeight * 3;
    if (top < headroom) scrollBy(0, top - headroom);
    else if (top + rowHeight > innerHeight - rowHeight) scrollBy(0, top + rowHeight * 2 - innerHeight);
    focusDue();
    measure();
  };

  const first = Math.min(range.first, Math.max(0, rows.length - 1));
  const shown = rows.slice(first, range.last);
  return (
    <div class="rows" role="table" aria-label={label} aria-rowcount={rows.length + 1} aria-colcount={columns}>
      <div class="rows-head" role="rowgroup">
        <div class="row" role="row" aria-rowindex={1}>
          {head}
        </div>
      </div>
      <div
        class="rows-body"
        role="rowgroup"
        ref={body}
        onKeyDown={move}
        style={{ height: `${rows.length * rowHeight}px` }}
      >
        <div role="presentation" class="rows-window" style={{ transform: `translateY(${first * rowHeight}px)` }}>
          {shown.map((row, index) => (
            <div class="row" role="row" key={keyOf(row)} aria-rowindex={first + index + 2}>
              {draw(row, first + index)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

function target(key: string, now: number, page: number, length: number): number | undefined {
  const last = length - 1;
  const steps: Record<string, number> = {
    ArrowDown: now + 1,
    ArrowUp: now - 1,
    PageDown: now + page,
    PageUp: now - page,
    Home: 0,
    End: last,
  };
  const to = steps[key];
  return to === undefined ? undefined : Math.min(last, Math.max(0, to));
}
