import { useEffect, useRef } from 'preact/hooks';
import { count } from '../format.ts';
import { replaceSearch } from '../router.ts';

interface Props {
  readonly list: 'hosts' | 'machines';
  /** All states, in their order. */
  readonly states: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  readonly chosen: ReadonlySet<string>;
  readonly text: string;
  readonly placeholder: string;
}

/** The filter in the address: `?state=Error&state=Ready&q=rack3`. */
export function filterOf(search: URLSearchParams): { chosen: ReadonlySet<string>; text: string } {
  return { chosen: new Set(search.getAll('state')), text: search.get('q') ?? '' };
}

/** Counts by state that are filters, and the search. Both are kept in the address, so that a link shows the same. */
export function ListFilter({ list, states, counts, chosen, text, placeholder }: Props) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName);
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  const go = (states: Iterable<string>, words: string) => {
    const search = new URLSearchParams();
    for (const state of states) search.append('state', state);
    if (words) search.set('q', words);
    replaceSearch(list, search);
  };
  const toggle = (state: string) => {
    const next = new Set(chosen);
    if (!next.delete(state)) next.add(state);
    go(next, text);
  };
  const total = [...counts.values()].reduce((sum, value) => sum + value, 0);
  return (
    <div>
      <div class="states" aria-hidden="true">
        {states.map((state) => {
          const share = counts.get(state) ?? 0;
          return share > 0 && <span key={state} data-tone={state} style={{ flexGrow: share }} />;
        })}
      </div>
      <div class="chips" role="group" aria-label="Filter by state">
        <button type="button" aria-pressed={chosen.size === 0} onClick={() => go([], text)}>
          All <b>{count(total)}</b>
        </button>
        {states.map((state) => (
          <button type="button" key={state} aria-pressed={chosen.has(state)} onClick={() => toggle(state)}>
            <span class="dot" data-tone={state} />
            {state} <b>{count(counts.get(state) ?? 0)}</b>
          </button>
        ))}
      </div>
      <div class="filter" role="search">
        <input
          ref={input}
          type="search"
          aria-label="Search"
          aria-keyshortcuts="/"
          placeholder={placeholder}
          value={text}
          onInput={(event) => go(chosen, event.currentTarget.value)}
        />
      </div>
    </div>
  );
}
