import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, BlockList } from 'node:net';
import { limitConnections, type ConnectionLimits } from './connections.ts';
import type { BindAddress, HttpLogger, Timeouts } from './options.ts';
import type { TlsSource } from './tls.ts';

/** A port that cannot be opened: one line that says which, why, and how to fix it. */
export class ListenError extends Error {
  override readonly name = 'ListenError';

  constructor(flag: string, address: BindAddress, cause: NodeJS.ErrnoException) {
    const what = cause.code === 'EADDRINUSE' ? 'is in use' : `cannot be opened (${cause.code ?? cause.message})`;
    super(`beskar7: ${address.host}:${address.port} ${what}; choose another with --${flag}`, { cause });
  }
}

/** An open listener. */
export interface Listener {
  /** Where it really listens. */
  readonly address: BindAddress;
  /** Takes no more; requests in flight finish, the rest is cut off after `stopMs`. */
  stop(): Promise<void>;
}

/** Where a listener listens, and what it grants its callers. */
export interface ListenOptions {
  /** Name of the flag that chooses the address, for the error. */
  readonly flag: string;
  readonly address: BindAddress;
  readonly timeouts: Timeouts;
  readonly connections: ConnectionLimits;
  /** Proxies that are listed: their connections are not counted by source. */
  readonly trusted: BlockList;
  readonly logger: HttpLogger;
  /** HTTPS with these files, and with newer ones as they come. */
  readonly tls?: TlsSource | undefined;
}

/**
 * Opens an HTTP or HTTPS listener with the contract's timeouts: slow senders and slow readers are cut off. Throws
 * ListenError.
 */
export async function listen(handler: RequestListener, options: ListenOptions): Promise<Listener> {
  const { timeouts, address } = options;
  const server = createServerOf((request, response) => {
    request.url = pathOf(request.url);
    cutSlowReader(response, timeouts.requestMs);
    handler(request, response);
  }, options);
  limitConnections(server, options.connections, options);
  // No byte in either direction for this long, such as a reader that stopped reading.
  server.timeout = timeouts.requestMs;
  await open(server, options);
  const { port } = server.address() as AddressInfo;
  return { address: { host: address.host, port }, stop: () => close(server, timeouts.stopMs) };
}

/**
 * An answer that is all there has to be taken within `ms`: a reader of one byte at a time holds what is not read in
 * memory.
 */
function cutSlowReader(response: ServerResponse, ms: number): void {
  response.once('prefinish', () => {
    if (response.writableFinished) return;
    const timer = setTimeout(() => response.destroy(), ms);
    response.once('finish', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
  });
}

/** A target may be a whole URL (RFC 9112 §3.2.2); one that cannot be read names nothing. */
function pathOf(target = '/'): string {
  if (target.startsWith('/')) return target;
  if (!URL.canParse(target)) return '/*';
  const { pathname, search } = new URL(target);
  return pathname.startsWith('/') ? pathname + search : '/*';
}

function createServerOf(handler: RequestListener, { timeouts, tls }: ListenOptions): Server | TlsServer {
  const limits = {
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.idleMs,
    // Node looks every 30 s unless told otherwise: too seldom for these.
    connectionsCheckingInterval: timeouts.checkMs,
  };
  if (tls === undefined) return createServer(limits, handler);
  const { cert, key } = tls.files;
  const handshakeTimeout = timeouts.headersMs;
  const server = createTlsServer({ ...limits, cert, key, handshakeTimeout, minVersion: 'TLSv1.2' }, handler);
  tls.onChange((files) => server.setSecureContext({ cert: files.cert, key: files.key, minVersion: 'TLSv1.2' }));
  return server;
}

function open(server: Server | TlsServer, { address, flag }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(new ListenError(flag, address, error));
    server.once('error', onError);
    server.listen(address.port, address.host, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function close(server: Server | TlsServer, stopMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), stopMs);
    // Closes idle connections at once; those in use are closed with their answer.
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
