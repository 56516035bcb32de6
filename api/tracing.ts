import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import type { Claim } from '../model/claim.ts';

/**
 * The span of a callback, in the trace of the run that made the claim; undefined where that is not traced. What the
 * caller sends is no trace context: any client on the provisioning network could.
 */
export function callbackSpan(claim: Claim, startedAt: number): Span | undefined {
  const { traceparent } = claim;
  if (traceparent === undefined) return undefined;
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent });
  if (trace.getSpanContext(parent) === undefined) return undefined;
  const options = { kind: SpanKind.SERVER, startTime: startedAt, attributes: { 'beskar7.claim': claim.id } };
  const span = trace.getTracer('beskar7.api').startSpan('callback', options, parent);
  return span.isRecording() ? span : undefined;
}

/** Ends the span of a callback. The route is a pattern: a nonce in the path does not get into it. */
export function endCallbackSpan(
  span: Span | undefined,
  answer: { readonly method: string; readonly route: string; readonly status: number; readonly outcome?: string },
): void {
  if (span === undefined) return;
  const { method, route, status, outcome } = answer;
  span.updateName(`${method} ${route}`);
  span.setAttributes({ 'http.request.method': method, 'http.route': route, 'http.response.status_code': status });
  if (outcome !== undefined) span.setAttribute('beskar7.outcome', outcome);
  if (status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** Runs something as a part of a span. */
export function within<T>(span: Span | undefined, run: () => T): T {
  return span === undefined ? run() : context.with(trace.setSpan(ROOT_CONTEXT, span), run);
}

/** What a log line tells of a span. */
export function traceFields(span: Span | undefined): object {
  if (span === undefined) return {};
  const { traceId, spanId } = span.spanContext();
  return { trace_id: traceId, span_id: spanId };
}
