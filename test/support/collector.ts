import { EventEmitter } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as the collector has it. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: number | string; doubleValue?: number; boolValue?: boolean };
}
interface SpanJson {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes?: Attribute[];
  status?: { code?: number };
}
interface TracesJson {
  resourceSpans: { resource: { attributes?: Attribute[] }; scopeSpans: { spans: SpanJson[] }[] }[];
}

/** A receiver of OTLP by HTTP, JSON form (opentelemetry.io, "OTLP/HTTP"): keeps every span. */
export class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  /** Everything that came in, as text. */
  received = '';
  readonly #events = new EventEmitter();
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Opens the port, the same one as before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url === '/v1/traces') this.#take(Buffer.concat(chunks).toString('utf8'), request.headers);
        response
          .writeHead(request.url === '/v1/traces' ? 200 : 404, { 'content-type': 'application/json' })
          .end('{"partialSuccess":{}}');
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  /** Waits for a span; one that came in before counts. */
  async span(what: string, isIt: (span: CollectedSpan) => boolean, boundMs = 30_000): Promise<CollectedSpan> {
    const known = this.spans.find(isIt);
    if (known) return known;
    return new Promise((resolve, reject) => {
      const look = (span: CollectedSpan) => {
        if (!isIt(span)) return;
        clearTimeout(timer);
        this.#events.off('span', look);
        resolve(span);
      };
      const timer = setTimeout(() => {
        this.#events.off('span', look);
        const names = [...new Set(this.spans.map(({ name }) => name))].sort();
        reject(new Error(`not within ${boundMs / 1000} s: span ${what}; there are ${names.join(', ')}`));
      }, boundMs);
      this.#events.on('span', look);
    });
  }

  #take(body: string, headers: IncomingHttpHeaders): void {
    this.received += body;
    this.headers.push(headers);
    for (const { resource, scopeSpans } of (JSON.parse(body) as TracesJson).resourceSpans)
      for (const { spans } of scopeSpans)
        for (const span of spans) {
          const collected = { ...spanOf(span), resource: valuesOf(resource.attributes) };
          this.spans.push(collected);
          this.#events.emit('span', collected);
        }
  }
}

function spanOf({
  traceId,
  spanId,
  parentSpanId,
  name,
  attributes,
  status,
}: SpanJson): Omit<CollectedSpan, 'resource'> {
  const isRoot = parentSpanId === undefined || parentSpanId === '';
  return {
    traceId,
    spanId,
    parentSpanId: isRoot ? undefined : parentSpanId,
    name,
    attributes: valuesOf(attributes),
    status: status?.code ?? 0,
  };
}

function valuesOf(attributes: readonly Attribute[] = []): Record<string, string | number | boolean> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? Number(value.intValue ?? value.doubleValue),
    ]),
  );
}
