import { storedText } from '../untrusted/stored.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isForbidden, isNotFound, KubeError } from './error.ts';
import { EVENTS, type Identified, type KubeEvent } from './resource.ts';

/** The same event on the same object inside this time counts up the earlier one. */
const SAME_WITHIN_MS = 10 * 60_000;
const MAX_QUEUED = 2000;
const MAX_REMEMBERED = 5000;
const WRITERS = 4;
const ATTEMPTS = 3;
const LOG_EVERY_MS = 10_000;
/** Bound of the events API; longer ones are cut. */
const MAX_MESSAGE = 1024;

/** One event as it is in the API server, or is to be. */
interface EventEntry {
  readonly key: string;
  readonly event: KubeEvent;
  /** The count that the API server has; 0: not yet created. */
  written: number;
  isQueued: boolean;
}

/** Settings of a recorder; durations in ms. */
export interface RecorderOptions {
  readonly logger: Pick<Logger, 'warn' | 'debug'>;
  /** Who reports, `beskar7`. */
  readonly component?: string;
  readonly timeoutMs?: number;
  /** Wait before the next attempt of a failed write, times the attempt. */
  readonly retryDelayMs?: number;
}

/**
 * Writes core/v1 Events in the background. Events are best effort: nothing here throws, blocks or grows without bound.
 */
export class EventRecorder {
  readonly #kube: KubeClient;
  readonly #options: Required<RecorderOptions>;
  readonly #recent = new Map<string, EventEntry>();
  readonly #queue: EventEntry[] = [];
  #writers = 0;
  #dropped = 0;
  #loggedAt = -Infinity;
  #idle: (() => void)[] = [];

  constructor(kube: KubeClient, options: RecorderOptions) {
    this.#kube = kube;
    this.#options = { component: 'beskar7', timeoutMs: 10_000, retryDelayMs: 1000, ...options };
  }

  /** Tells an event about an object: `reason` is CamelCase for programs, `message` for people. Never throws. */
  event(object: Identified, type: 'Normal' | 'Warning', reason: string, message: string): void {
    try {
      this.#record(object, type, reason, storedText(message).slice(0, MAX_MESSAGE));
    } catch (error) {
      this.#complain(error, reason);
    }
  }

  /** Resolves when everything is written or given up, at the latest after `timeoutMs`. */
  async flush(timeoutMs = 5000): Promise<void> {
    if (this.#writers === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #record(object: Identified, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { metadata, apiVersion = '', kind = '' } = object;
    const now = Date.now();
    const key = JSON.stringify([metadata.uid, type, reason, message]);
    const known = this.#recent.get(key);
    if (known && now - Date.parse(known.event.lastTimestamp) < SAME_WITHIN_MS) {
      known.event.count += 1;
      known.event.lastTimestamp = isoSeconds(now);
      this.#remember(known);
      return this.#enqueue(known);
    }
    const event: KubeEvent = {
      metadata: { namespace: metadata.namespace ?? 'default', name: eventName(metadata.name) },
      involvedObject: {
        apiVersion,
        kind,
        namespace: metadata.namespace ?? '',
        name: metadata.name,
        uid: metadata.uid ?? '',
      },
      type,
      reason: reason.slice(0, 128),
      message,
      count: 1,
      firstTimestamp: isoSeconds(now),
      lastTimestamp: isoSeconds(now),
      source: { component: this.#options.component },
      reportingComponent: this.#options.component,
      reportingInstance: hostname().slice(0, 128),
    };
    const entry: EventEntry = { key, event, written: 0, isQueued: false };
    this.#remember(entry);
    this.#enqueue(entry);
  }

  #remember(entry: EventEntry): void {
    this.#recent.delete(entry.key);
    this.#recent.set(entry.key, entry);
    if (this.#recent.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#recent.keys();
    if (oldest !== undefined) this.#recent.delete(oldest);
  }

  #enqueue(entry: EventEntry): void {
    if (entry.isQueued) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#dropped += 1;
      this.#complain(new Error(`the queue of ${MAX_QUEUED} events is full`), entry.event.reason);
      return;
    }
    entry.isQueued = true;
    this.#queue.push(entry);
    if (this.#writers >= WRITERS) return;
    this.#writers += 1;
    void this.#drain();
  }

  async #drain(): Promise<void> {
    for (let entry = this.#queue.shift(); entry; entry = this.#queue.shift()) await this.#write(entry);
    this.#writers -= 1;
    if (this.#writers > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  /** Creation is repeatable: the name is fixed. `isQueued` goes only afterwards, so that one event has one writer. */
  async #write(entry: EventEntry): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        while (entry.written < entry.event.count) await this.#put(entry);
        break;
      } catch (error) {
        const isRetryable = error instanceof KubeError && error.retryable && attempt < ATTEMPTS;
        if (!isRetryable) {
          this.#recent.delete(entry.key);
          this.#complain(error, entry.event.reason);
          break;
        }
        await delay(this.#options.retryDelayMs * attempt);
      }
    }
    entry.isQueued = false;
  }

  async #put(entry: EventEntry): Promise<void> {
    const { count, lastTimestamp } = entry.event;
    const { namespace = '', name } = entry.event.metadata;
    const options = { timeoutMs: this.#options.timeoutMs };
    if (entry.written > 0) {
      try {
        await this.#kube.mergePatch(EVENTS, namespace, name, { count, lastTimestamp }, options);
        entry.written = count;
        return;
      } catch (error) {
        // Events live an hour or so: a repeat after that is a new one.
        if (!isNotFound(error)) throw error;
      }
    }
    try {
      await this.#kube.create(EVENTS, { ...entry.event, count, lastTimestamp }, options);
    } catch (error) {
      // An earlier attempt did get through.
      if (!isAlreadyExists(error)) throw error;
    }
    entry.written = count;
  }

  #complain(error: unknown, reason: string): void {
    const text = error instanceof Error ? error.message : String(error);
    // A terminating namespace accepts no new objects.
    if (isForbidden(error) && text.includes('being terminated')) {
      this.#options.logger.debug({ reason }, 'event not written: its namespace is being terminated');
      return;
    }
    const now = performance.now();
    if (now - this.#loggedAt < LOG_EVERY_MS) {
      this.#dropped += 1;
      return;
    }
    this.#loggedAt = now;
    this.#options.logger.warn(
      { reason, error: text, alsoLost: this.#dropped },
      'a Kubernetes event could not be written',
    );
    this.#dropped = 0;
  }
}

function eventName(objectName: string): string {
  return `${objectName.slice(0, 230)}.${randomBytes(8).toString('hex')}`;
}

/** metav1.Time has whole seconds. */
function isoSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
