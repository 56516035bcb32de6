import { context, propagation, trace } from '@opentelemetry/api';

/** The W3C trace context of the activity that runs, for a claim; empty when it is not traced. */
export function traceContext(): { readonly traceparent?: string } {
  if (trace.getActiveSpan()?.isRecording() !== true) return {};
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent === undefined ? {} : { traceparent: carrier.traceparent };
}
