import type { Conversation } from './conversation.ts';
import { RedfishError } from './error.ts';
import { linkOf, listOf, objectOf, type JsonObject } from './json.ts';
import type { ReadOptions } from './requests.ts';

/** Most members of one collection that are read. */
const MAX_INTERFACES = 64;
/** The interfaces behind `NetworkAdapters` are many small resources: no more of them are read than this. */
const MAX_READS = 64;

/** Reads resources of the network one by one, within a time, and remembers why one was not there to be read. */
export class NetworkReader {
  readonly #conversation: Conversation;
  readonly #expand: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #endMs: number;
  #reads = 0;
  problem: string | undefined;

  constructor(conversation: Conversation, expand: string | undefined, options: ReadOptions) {
    this.#conversation = conversation;
    this.#expand = expand;
    this.#signal = options.signal;
    this.#endMs = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  }

  /** A resource; undefined when it cannot be read, whatever the reason but a cancel: interfaces are a nicety. */
  async read(link: string): Promise<JsonObject | undefined> {
    const leftMs = this.#endMs - performance.now();
    if (leftMs <= 0 || this.#reads >= MAX_READS) {
      this.problem ??= leftMs <= 0 ? 'its BMC is slow, and there was no time left' : `only ${MAX_READS} were read`;
      return undefined;
    }
    this.#reads += 1;
    try {
      const timeoutMs = Math.min(leftMs, this.#conversation.config.callTimeoutMs);
      return (await this.#conversation.get(this.#conversation.resolve(link), { signal: this.#signal, timeoutMs })).json;
    } catch (error) {
      if (!(error instanceof RedfishError) || error.kind === 'Aborted') throw error;
      // That something is not there is an answer, too.
      if (error.status !== 404) this.problem ??= error.message;
      return undefined;
    }
  }

  /**
   * The members of a collection, page by page, at once where the service expands them (DSP0266 §"Expand"), else one by
   * one. `max` of them: that there are more is a `problem`, and so is one that is listed and not there.
   */
  async *members(link: string, max = MAX_INTERFACES): AsyncGenerator<{ path: string | undefined; json: JsonObject }> {
    let left = max;
    for (let page: string | undefined = link; page !== undefined;) {
      const collection: JsonObject | undefined = (await this.#expanded(page)) ?? (await this.read(page));
      for (const member of listOf(collection?.['Members'])) {
        if (left <= 0) return void (this.problem ??= `it lists more than ${max}`);
        left -= 1;
        const path = linkOf(member);
        const json = isExpanded(member) ? objectOf(member) : path === undefined ? undefined : await this.read(path);
        if (json !== undefined) yield { path, json };
        else this.problem ??= `${path ?? 'a member'} is listed by the BMC and is not there`;
      }
      page = linkOf(collection?.['Members@odata.nextLink']);
    }
  }

  async #expanded(link: string): Promise<JsonObject | undefined> {
    if (this.#expand === undefined || link.includes('?')) return undefined;
    const before = this.problem;
    const read = await this.read(`${link}?${this.#expand}`);
    // One that announces it and does not do it is asked in the plain way.
    this.problem = before;
    return read;
  }
}

function isExpanded(member: unknown): boolean {
  return Object.keys(objectOf(member) ?? {}).some((key) => !key.startsWith('@odata.'));
}
