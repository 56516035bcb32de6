import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';

/** What a span tells of a request: never a body, a header or a query. */
interface Asked {
  readonly method: string;
  readonly path: string;
  /** `10.0.0.1` or `10.0.0.1:8443`. */
  readonly host: string;
}

/**
 * Runs one exchange with a BMC within a span, where someone traces the work that it is part of; else it costs one
 * look.
 */
export function traced<Reply extends { readonly status: number }>(
  asked: Asked,
  exchange: () => Promise<Reply>,
): Promise<Reply> {
  if (trace.getActiveSpan()?.isRecording() !== true) return exchange();
  const path = shownPath(asked.path);
  const attributes = { 'http.request.method': asked.method, 'url.path': path, 'server.address': asked.host };
  const options = { kind: SpanKind.CLIENT, attributes };
  return trace
    .getTracer('beskar7.redfish')
    .startActiveSpan(`Redfish ${asked.method} ${path}`, options, (span) => within(span, exchange));
}

async function within<Reply extends { readonly status: number }>(
  span: Span,
  exchange: () => Promise<Reply>,
): Promise<Reply> {
  try {
    const reply = await exchange();
    span.setAttribute('http.response.status_code', reply.status);
    if (reply.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
    return reply;
  } catch (error) {
    // Its message is one of a RedfishError: what the BMC sent in it was searched for credentials.
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : 'failed' });
    throw error;
  } finally {
    span.end();
  }
}

/** Without a query, and without the id of a session. */
function shownPath(path: string): string {
  return (path.split('?')[0] ?? '').replace(/(\/Sessions\/)[^/]+/i, '$1{id}').slice(0, 200);
}
