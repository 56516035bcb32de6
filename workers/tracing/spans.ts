import type { Context } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { redactText } from './redact.ts';
import { beginsTrace, isMonitoring } from './sampler.ts';

/** Hands spans on to the next processor: without those that tell nothing, and with their texts redacted. */
export class SpanGate implements SpanProcessor {
  readonly #next: SpanProcessor;

  constructor(next: SpanProcessor) {
    this.#next = next;
  }

  onStart(span: Span, parent: Context): void {
    this.#next.onStart(span, parent);
  }

  /** Spans of workflows come here too, made within the workflow and without our sampler. */
  onEnd(span: ReadableSpan): void {
    if (isNoise(span)) return;
    redact(span);
    this.#next.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}

/** A look of its own, a signal from outside, a start that found the run open: a watcher does so at every resync. */
function isNoise(span: ReadableSpan): boolean {
  if (isMonitoring(span.name)) return true;
  if (span.parentSpanId === undefined && !beginsTrace(span.name) && !span.name.startsWith('RunWorkflow:')) return true;
  return span.events.some(
    ({ attributes }) => attributes?.['exception.type'] === 'WorkflowExecutionAlreadyStartedError',
  );
}

function redact(span: ReadableSpan): void {
  redactAll(span.attributes);
  for (const { attributes } of span.events) if (attributes !== undefined) redactAll(attributes);
  if (span.status.message !== undefined) span.status.message = redactText(span.status.message);
}

function redactAll(attributes: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(attributes))
    if (typeof value === 'string') attributes[key] = redactText(value);
}
