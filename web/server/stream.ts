import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { FleetFeed, Sees } from './feed.ts';

/** Rows in one event: about 100 kB, the most that is made for a client before it has taken what came before. */
const MAX_ROWS = 200;

/** What a person may see of the fleet. `name` changes with it. */
export interface Scope {
  readonly name: string;
  readonly sees: Sees;
}

/** What one client's stream shows; the durations are those of `WebTiming`. */
export interface StreamOptions {
  readonly feed: FleetFeed;
  /** The id of the last event that the client has. */
  readonly lastId: string | undefined;
  /** What may be seen now; asked again and again. Rejects when the person may see nothing any more: the stream ends. */
  readonly scope: () => Promise<Scope>;
  readonly gatherMs: number;
  readonly heartbeatMs: number;
  readonly stalledMs: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

/**
 * Sends the fleet to one client as Server-Sent Events until it goes away, or may no longer see it. Nothing is queued:
 * what is next is looked up when the client has taken what came before. Resolves when it is over; never rejects.
 */
export async function streamFleet(response: ServerResponse, options: StreamOptions): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  response.once('close', end);
  response.on('error', end);
  options.signal.addEventListener('abort', end);
  if (options.signal.aborted) end();
  try {
    await new FleetStream(response, options, over.signal).run();
  } catch {
    // It is closed, stalled, or no longer allowed: the client reconnects and gets the reason then.
  } finally {
    options.signal.removeEventListener('abort', end);
    response.end();
    if (!response.writableFinished) response.socket?.setTimeout(1000, () => response.destroy());
  }
}

class FleetStream {
  readonly #response: ServerResponse;
  readonly #options: StreamOptions;
  readonly #over: AbortSignal;
  #scope: Scope | undefined;
  /** What the client may have seen until now; undefined: nothing. */
  #seenScope: string | undefined;
  #place: number | undefined;
  #writtenAt = 0;

  constructor(response: ServerResponse, options: StreamOptions, over: AbortSignal) {
    this.#response = response;
    this.#options = options;
    this.#over = over;
    const { lastId, feed } = options;
    if (lastId === undefined) return;
    this.#place = feed.placeOf(lastId);
    this.#seenScope = lastId.split('-')[2] ?? '';
  }

  async run(): Promise<void> {
    const { feed, gatherMs } = this.#options;
    await this.#write('retry: 1000\n\n');
    while (!this.#over.aborted) {
      const isOther = await this.#look();
      if (this.#place === undefined || isOther || !feed.reaches(this.#place)) await this.#snapshot();
      const place = this.#place ?? 0;
      const part = feed.after(place, this.#sees, MAX_ROWS);
      this.#place = part.place;
      if (part.data !== undefined) await this.#event('change', part.data, part.place);
      if (part.place < feed.place) continue;
      await feed.changed(part.place, Math.max(1, this.#silentUntil - performance.now()), this.#over);
      // Changes that the person may not see produce no data: the client still needs a sign of life.
      if (performance.now() >= this.#silentUntil) await this.#event('beat', '{}', part.place);
      else await pause(gatherMs, this.#over);
    }
  }

  get #silentUntil(): number {
    return this.#writtenAt + this.#options.heartbeatMs;
  }

  /** Asks what may be seen; true when that is something else than what the client has. */
  async #look(): Promise<boolean> {
    const scope = await this.#options.scope();
    const name = createHash('sha256').update(scope.name).digest('hex').slice(0, 16);
    const isOther = this.#seenScope !== undefined && this.#seenScope !== name;
    this.#scope = scope;
    this.#seenScope = name;
    return isOther;
  }

  readonly #sees: Sees = (kind, namespace) => this.#scope?.sees(kind, namespace) ?? false;

  /** Only its last part has an id: a client that has not got all of it starts again. */
  async #snapshot(): Promise<void> {
    const { feed } = this.#options;
    for (let isWhole = false; !isWhole;) {
      const { place } = feed;
      this.#place = place;
      isWhole = await this.#sendAll(place);
    }
  }

  /** False: what may be seen has changed on the way, since a client may take its time; it is sent again. */
  async #sendAll(place: number): Promise<boolean> {
    let last: string | undefined;
    for (const data of this.#options.feed.snapshot(this.#sees, MAX_ROWS)) {
      if (last !== undefined) {
        await this.#event('snapshot', last, undefined);
        if (await this.#look()) return false;
      }
      last = data;
    }
    if (last !== undefined) await this.#event('snapshot', last, place);
    return true;
  }

  #event(name: string, data: string, place: number | undefined): Promise<void> {
    const id = place === undefined ? '' : `id: ${this.#options.feed.idOf(place)}-${this.#seenScope}\n`;
    return this.#write(`${id}event: ${name}\ndata: ${data}\n\n`);
  }

  /**
   * Resolves when the client has taken enough for more to be sent. Rejects when it has gone, or takes nothing for too
   * long.
   */
  async #write(text: string): Promise<void> {
    this.#over.throwIfAborted();
    this.#writtenAt = performance.now();
    if (this.#response.write(text)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#response.off('drain', onDrain);
        this.#over.removeEventListener('abort', onOver);
        act();
      };
      const onDrain = () => settle(resolve);
      const onOver = () => settle(() => reject(new Error('the stream is over')));
      const timer = setTimeout(() => {
        settle(() => reject(new Error('the client does not read')));
        this.#response.destroy();
      }, this.#options.stalledMs);
      this.#response.once('drain', onDrain);
      this.#over.addEventListener('abort', onOver);
    });
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
