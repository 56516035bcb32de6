import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * Requests of one user agent in a window of time, as the API server's audit log tells (the only place that knows user
 * agents).
 */
export interface AuditCounts {
  /** Requests that are not watches. */
  requests: number;
  watches: number;
  /** Answered 409. */
  conflicts: number;
  /** Keys as `patch`. Server-side apply is `patch` too. */
  readonly byVerb: Map<string, number>;
  /** Keys as `patch physicalhosts/status`. */
  readonly byCall: Map<string, number>;
}

export interface AuditWindow {
  /** Start of the user agent, e.g. `beskar7/`. */
  readonly userAgentPrefix: string;
  /** Epoch milliseconds; a request counts when it was received in [fromMs, toMs]. */
  readonly fromMs: number;
  readonly toMs: number;
}

interface AuditEvent {
  readonly auditID?: string;
  readonly stage?: string;
  readonly verb?: string;
  readonly userAgent?: string;
  readonly requestURI?: string;
  readonly requestReceivedTimestamp?: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
}

const STAGES_OF_AN_ANSWER = new Set(['ResponseStarted', 'ResponseComplete', 'Panic']);

/**
 * Counts the requests of a user agent in an audit log of JSON lines (`audit.k8s.io/v1` Event). A request that was
 * logged at several stages counts once, by its auditID. A last line that is still being written is left out.
 */
export async function countAuditLog(path: string, window: AuditWindow): Promise<AuditCounts> {
  const counter = new AuditCounter(window);
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
  for await (const line of lines) counter.add(line);
  return counter.counts;
}

/** Takes an audit log line by line; see `countAuditLog`. */
export class AuditCounter {
  readonly counts: AuditCounts = { requests: 0, watches: 0, conflicts: 0, byVerb: new Map(), byCall: new Map() };
  readonly #window: AuditWindow;
  readonly #seen = new Set<string>();

  constructor(window: AuditWindow) {
    this.#window = window;
  }

  add(line: string): void {
    // Most lines are of others: they are not worth parsing.
    if (!line.includes(this.#window.userAgentPrefix)) return;
    const event = parse(line);
    if (!event?.userAgent?.startsWith(this.#window.userAgentPrefix)) return;
    if (!STAGES_OF_AN_ANSWER.has(event.stage ?? '')) return;
    const receivedMs = Date.parse(event.requestReceivedTimestamp ?? '');
    if (!(receivedMs >= this.#window.fromMs && receivedMs <= this.#window.toMs)) return;
    const id = event.auditID ?? '';
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    this.#count(event);
  }

  #count(event: AuditEvent): void {
    const verb = event.verb ?? 'unknown';
    if (verb === 'watch') {
      this.counts.watches += 1;
      return;
    }
    const { resource, subresource } = event.objectRef ?? {};
    const what = resource ?? event.requestURI?.split('?')[0] ?? 'unknown';
    this.counts.requests += 1;
    if (event.responseStatus?.code === 409) this.counts.conflicts += 1;
    increment(this.counts.byVerb, verb);
    increment(this.counts.byCall, `${verb} ${subresource ? `${what}/${subresource}` : what}`);
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function parse(line: string): AuditEvent | undefined {
  try {
    return JSON.parse(line) as AuditEvent;
  } catch {
    return undefined;
  }
}
