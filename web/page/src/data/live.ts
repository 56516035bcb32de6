import { useEffect, useState } from 'preact/hooks';
import type { Change, HostRow, MachineRow, Snapshot } from '../../../shared/api.ts';
import { SortedRows } from './sortedRows.ts';

/** The stream of changes. `lost`: what is shown may be old; it is opened again by itself. */
export type LinkState = 'connecting' | 'live' | 'lost';

/**
 * The fleet as it is known now. The arrays are new when something in them changed; rows that did not change stay the
 * same objects.
 */
export interface Fleet {
  readonly hosts: readonly HostRow[];
  readonly machines: readonly MachineRow[];
  /** Whether a whole picture has come yet. */
  readonly isLoaded: boolean;
  /** Counts up with each change, for views that read details again. */
  readonly version: number;
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;
/** Three beats of the server. */
const SILENCE_MS = 45_000;
/** What comes in within this time is shown together. */
const COALESCE_MS = 100;

/**
 * The stream of the server, kept open: it continues after the last event that came, with waits that grow, and what
 * comes in within a moment is shown together. Views subscribe.
 */
export class Live {
  fleet: Fleet = { hosts: [], machines: [], isLoaded: false, version: 0 };
  link: LinkState = 'connecting';
  readonly #hosts = new SortedRows<HostRow>();
  readonly #machines = new SortedRows<MachineRow>();
  readonly #listeners = new Set<() => void>();
  #source: EventSource | undefined;
  #lastId = '';
  #waitMs = FIRST_WAIT_MS;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** Whether this server sends beats: silence means nothing when it does not. */
  #isBeating = false;
  #isDue = false;
  #isWhole = false;

  open(): void {
    this.close();
    const source = new EventSource(`api/events${this.#lastId ? `?after=${encodeURIComponent(this.#lastId)}` : ''}`);
    this.#source = source;
    source.addEventListener('open', () => {
      this.#waitMs = FIRST_WAIT_MS;
      this.#say('live');
    });
    source.addEventListener('error', () => {
      this.#say('lost');
      // The browser continues by itself unless the answer was an error; then it is ours to try again. A picture that
      // came in part is asked for again: the browser would continue after the last id, which is from before that
      // picture.
      if (!this.#isWhole) {
        this.#lastId = '';
        source.close();
      }
      if (source.readyState === EventSource.CLOSED) this.#again();
    });
    source.addEventListener('beat', ({ lastEventId }) => {
      this.#heard(true);
      if (lastEventId) this.#lastId = lastEventId;
    });
    source.addEventListener('snapshot', (event) => this.#take(event, (data) => this.#snapshot(data as Snapshot)));
    source.addEventListener('change', (event) => this.#take(event, (data) => this.#change(data as Change)));
  }

  close(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = undefined;
  }

  /** Calls back when `fleet` or `link` changed; the answer ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #again(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.open(), this.#waitMs);
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
  }

  /** A connection that broke silently (a sleeping laptop, a router that dropped it) is detected by a timeout. */
  #heard(isBeat: boolean): void {
    this.#isBeating ||= isBeat;
    if (!this.#isBeating) return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#say('lost');
      this.open();
    }, SILENCE_MS);
  }

  #take(event: MessageEvent<string>, use: (data: unknown) => void): void {
    this.#heard(false);
    use(JSON.parse(event.data));
    if (event.lastEventId) this.#lastId = event.lastEventId;
    this.#changed();
  }

  #snapshot({ hosts, machines, isFirst, isLast }: Snapshot): void {
    if (isFirst) {
      this.#hosts.clear();
      this.#machines.clear();
      this.#isWhole = false;
    }
    for (const row of hosts) this.#hosts.set(row);
    for (const row of machines) this.#machines.set(row);
    if (isLast) this.#isWhole = true;
  }

  #change({ hosts = [], machines = [], goneHosts = [], goneMachines = [] }: Change): void {
    for (const row of hosts) this.#hosts.set(row);
    for (const row of machines) this.#machines.set(row);
    for (const name of goneHosts) this.#hosts.delete(name);
    for (const name of goneMachines) this.#machines.delete(name);
  }

  /** Many events are one drawing. */
  #changed(): void {
    if (this.#isDue || !this.#isWhole) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.fleet = {
        hosts: this.#hosts.list(),
        machines: this.#machines.list(),
        isLoaded: true,
        version: this.fleet.version + 1,
      };
      this.#tell();
    }, COALESCE_MS);
  }

  #say(link: LinkState): void {
    if (this.link === link) return;
    this.link = link;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The live fleet and the state of the link, drawn again with each change. */
export function useLive(live: Live): { fleet: Fleet; link: LinkState } {
  const [shown, setShown] = useState({ fleet: live.fleet, link: live.link });
  useEffect(() => {
    const follow = () => setShown({ fleet: live.fleet, link: live.link });
    follow();
    return live.subscribe(follow);
  }, [live]);
  return shown;
}
