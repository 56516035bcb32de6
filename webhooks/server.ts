import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { answerReview } from './conversion.ts';
import type { ServingCertificate } from './certificateStore.ts';

/** The address cannot be listened on: one line for the operator. */
export class WebhookListenError extends Error {}

/** The API server sends whole lists in one review; 10,000 clusters are about so many bytes. */
const BODY_BYTES = 32 * 2 ** 20;
const REQUEST_MS = 30_000;

/** The HTTPS server that the API server asks to convert objects: POST /convert. Throws WebhookListenError. */
export async function listenWebhook(
  { host, port }: { readonly host: string; readonly port: number },
  { certificate, key }: ServingCertificate,
  logger: Logger,
): Promise<Server> {
  const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.2' }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      logger.error({ err: error }, 'a conversion failed');
      if (!response.headersSent) send(response, 500, { message: 'the conversion failed; see the log of Beskar7' });
    });
  });
  server.requestTimeout = REQUEST_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new WebhookListenError(`beskar7: the webhook cannot listen on ${host}:${port}: ${error.message}`)),
    );
    server.listen(port, host, resolve);
  });
  return server;
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST' || request.url?.split('?')[0] !== '/convert')
    return send(response, 404, { message: 'not found: the webhook serves POST /convert' });
  const body = await readBody(request);
  if (body === undefined) return send(response, 413, { message: `a review has at most ${BODY_BYTES} bytes` });
  let answer: object;
  try {
    answer = answerReview(JSON.parse(body));
  } catch (error) {
    return send(response, 400, { message: error instanceof Error ? error.message : 'not a ConversionReview' });
  }
  return send(response, 200, answer);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: object): void {
  const closes = status === 413 ? { connection: 'close' } : {};
  response.writeHead(status, { 'content-type': 'application/json', ...closes });
  response.end(JSON.stringify(body));
}
