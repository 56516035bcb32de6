import type { BlockList, Server, Socket } from 'node:net';
import type { HttpLogger } from './options.ts';
import { isListed } from '../untrusted/addresses.ts';
import { budgetOf, sourceOf } from './source.ts';

/** How often one line says that connections are turned away. */
const LOG_EVERY_MS = 10_000;

/** How many connections a listener has open. */
export interface ConnectionLimits {
  /** In all. */
  readonly max: number;
  /** Of one address (one /64 of IPv6), so that no single one can use up all; trusted proxies are not counted. */
  readonly maxPerSource: number;
}

/** Closes connections above the limits at once, before a byte is read, and logs that from time to time. */
export function limitConnections(
  server: Server,
  limits: ConnectionLimits,
  { trusted, logger }: { readonly trusted: BlockList; readonly logger: HttpLogger },
): void {
  const open = new Map<string, number>();
  let turnedAway = 0;
  let loggedAt = -Infinity;
  const complain = (source: string | undefined) => {
    turnedAway += 1;
    if (performance.now() - loggedAt < LOG_EVERY_MS) return;
    logger.warn({ source, turnedAway, ...limits }, 'too many connections; closing the newest');
    loggedAt = performance.now();
    turnedAway = 0;
  };
  server.maxConnections = limits.max;
  server.on('drop', (data) => complain(data?.remoteAddress));
  server.on('connection', (socket: Socket) => {
    const source = sourceOf({ socket, headers: {} }, trusted);
    if (isListed(source, trusted)) return;
    const key = budgetOf(source);
    const count = (open.get(key) ?? 0) + 1;
    if (count > limits.maxPerSource) {
      complain(source);
      socket.destroy();
      return;
    }
    open.set(key, count);
    socket.once('close', () => {
      const left = (open.get(key) ?? 1) - 1;
      if (left === 0) open.delete(key);
      else open.set(key, left);
    });
  });
}
