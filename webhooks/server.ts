import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BlockList } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { limitConnections } from '../http/connections.ts';
import { JsonRefused, parseJson } from '../untrusted/json.ts';
import { answerReview } from './conversion.ts';
import type { ServingCertificate } from './certificateStore.ts';

/** The address cannot be listened on: one line for the operator. */
export class WebhookListenError extends Error {}

/** The API server sends whole lists in one review: some thousands of clusters are about so many bytes. */
const BODY_BYTES = 16 * 2 ** 20;
/** Bodies that are held at once. Anybody in the cluster's network may send one: nobody asks who the API server is. */
const HELD_BYTES = 4 * BODY_BYTES;
/** About 300 marks for a cluster: some thousands of clusters. 16 MiB of `{},` would be 600 MB of objects. */
const REVIEW = { maxLength: BODY_BYTES, maxDepth: 64, maxMarks: 600_000 };
const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;
/** The API server opens a connection for each conversion that it waits for. */
const CONNECTIONS = { max: 1024, maxPerSource: 512 };
const NOBODY = new BlockList();

/** The HTTPS server that the API server asks to convert objects: POST /convert. Throws WebhookListenError. */
export async function listenWebhook(
  { host, port }: { readonly host: string; readonly port: number },
  { certificate, key }: ServingCertificate,
  logger: Logger,
): Promise<Server> {
  const bodies = new Bodies();
  const limits = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, handshakeTimeout: HEADERS_MS };
  const server = createServer({ ...limits, cert: certificate, key, minVersion: 'TLSv1.2' }, (request, response) => {
    handle(request, response, bodies).catch((error: unknown) => {
      // A sender that goes away in the middle of its body is no news.
      if (request.complete) logger.error({ err: error }, 'a conversion failed');
      if (!response.headersSent) send(response, 500, { message: 'the conversion failed; see the log of Beskar7' });
    });
  });
  server.timeout = REQUEST_MS;
  limitConnections(server, CONNECTIONS, { trusted: NOBODY, logger });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new WebhookListenError(`beskar7: the webhook cannot listen on ${host}:${port}: ${error.message}`)),
    );
    server.listen(port, host, resolve);
  });
  return server;
}

async function handle(request: IncomingMessage, response: ServerResponse, bodies: Bodies): Promise<void> {
  if (request.method !== 'POST' || request.url?.split('?')[0] !== '/convert')
    return send(response, 404, { message: 'not found: the webhook serves POST /convert' });
  const [status, answer] = await bodies.use(request, answerTo);
  return send(response, status, answer);
}

type Answer = readonly [status: number, body: object];

/** A review that takes longer than this is followed by a pause. */
const SHORT_MS = 20;

/**
 * One review after the other, each followed by a pause as long as it has taken: a review of 600,000 different names
 * holds the thread for most of a second, and anybody in the cluster's network may send one after the other. So other
 * work of the process (fences, heartbeats) has at least half of the time.
 */
export class Paced {
  #last: Promise<unknown> = Promise.resolve();

  /** Calls `act` when those before it are over, and their pauses. Rejects with what it throws. */
  run<T>(act: () => T): Promise<T> {
    let tookMs = 0;
    const result = this.#last.then(() => {
      const began = performance.now();
      try {
        return act();
      } finally {
        tookMs = performance.now() - began;
      }
    });
    const pause = () => (tookMs > SHORT_MS ? delay(tookMs) : undefined);
    this.#last = result.then(pause, pause);
    return result;
  }
}

/** In one turn of the event loop, so that the objects of one review at most are in memory. */
function answerTo(body: Buffer): Answer {
  try {
    return [200, answerReview(parseJson(body.toString('utf8'), REVIEW))];
  } catch (error) {
    if (error instanceof JsonRefused && error.kind === 'too large')
      return [413, { message: `a review: ${error.message}` }];
    return [400, { message: error instanceof Error ? error.message : 'not a ConversionReview' }];
  }
}

/** The bodies that are being read, with a bound for each and for all. */
class Bodies {
  #held = 0;
  readonly #paced = new Paced();

  async use(request: IncomingMessage, act: (body: Buffer) => Answer): Promise<Answer> {
    const tooLong: Answer = [413, { message: `a review has at most ${BODY_BYTES} bytes` }];
    if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES) return tooLong;
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        this.#held += chunk.length;
        if (size > BODY_BYTES) return tooLong;
        if (this.#held > HELD_BYTES) return [503, { message: 'too many reviews at once; ask again' }];
        chunks.push(chunk);
      }
      return await this.#paced.run(() => act(Buffer.concat(chunks)));
    } finally {
      this.#held -= size;
    }
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  // The rest of a body that is not read would be taken for the next request.
  const closes = status === 413 || status === 503 ? { connection: 'close' } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...closes });
  response.end(JSON.stringify(body));
}
