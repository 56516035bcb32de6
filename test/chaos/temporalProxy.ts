import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

const SIGNAL = '/temporal.api.workflowservice.v1.WorkflowService/SignalWorkflowExecution';
/** A gRPC message of no fields: not compressed, of length 0. */
const EMPTY_MESSAGE = Buffer.alloc(5);

/** A kind of signal that is lost, to runs about objects of one namespace. */
export interface LostSignal {
  readonly name: string;
  readonly namespace: string;
}

/**
 * Stands between Beskar7 and Temporal (gRPC without TLS), and can lose signals: they are answered as if they had been
 * taken.
 */
export class TemporalProxy {
  /** Which signals are lost. */
  readonly lost = new Set<LostSignal>();
  /** How many were lost. */
  count = 0;
  readonly #target: string;
  /** One for each connection of a client, so that they do not share its limits. */
  readonly #upstreams = new Map<Http2Session, ClientHttp2Session>();
  #server: Http2Server | undefined;

  /** `target`: host and port of Temporal's frontend. */
  constructor(target: string) {
    this.#target = `http://${target}`;
  }

  /** Gives host and port to connect to. */
  async listen(): Promise<string> {
    const server = createServer();
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (headers[constants.HTTP2_HEADER_PATH] === SIGNAL) void this.#signal(stream, headers);
      else this.#forward(stream, headers);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const upstream of this.#upstreams.values()) upstream.destroy();
    this.#server?.close();
  }

  async #signal(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    // One byte says whether the message is compressed, four how long it is; names stand in it as text.
    const message = body[0] === 1 ? gunzipSync(body.subarray(5)) : body.subarray(5);
    const isLost = ({ name, namespace }: LostSignal) => message.includes(name) && message.includes(`/${namespace}/`);
    if (![...this.lost].some(isLost)) return this.#forward(stream, headers, body);
    this.count += 1;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(EMPTY_MESSAGE);
  }

  #upstreamOf(session: Http2Session): ClientHttp2Session {
    const known = this.#upstreams.get(session);
    if (known && !known.closed && !known.destroyed) return known;
    const upstream = connect(this.#target);
    upstream.on('error', () => undefined);
    this.#upstreams.set(session, upstream);
    session.once('close', () => {
      upstream.destroy();
      this.#upstreams.delete(session);
    });
    return upstream;
  }

  #forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body?: Buffer): void {
    // The connection may be gone by now.
    if (stream.session === undefined || stream.destroyed) return;
    const asked = this.#upstreamOf(stream.session).request(headers);
    let trailers: IncomingHttpHeaders = {};
    asked.on('error', () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on('aborted', () => asked.close(constants.NGHTTP2_CANCEL));
    asked.on('trailers', (told) => (trailers = told));
    asked.on('response', (answered, flags) => {
      // Unread bytes would fill the window of the whole connection.
      if (stream.destroyed) return void asked.resume();
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) return void stream.respond(answered, { endStream: true });
      stream.respond(answered, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      asked.pipe(stream);
    });
    if (body === undefined) stream.pipe(asked);
    else asked.end(body);
  }
}
