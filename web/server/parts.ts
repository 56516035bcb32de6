import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import { blockListOf, isListed } from '../../untrusted/addresses.ts';
import { Access } from './access.ts';
import { Actions } from './actions.ts';
import { WEB_TIMING, type WebDependencies, type WebOptions, type WebTiming } from './dependencies.ts';
import { FailureBoard } from './failures.ts';
import { FleetFeed } from './feed.ts';
import { Guard } from './guard.ts';
import { Sessions } from './sessions.ts';
import { readPage, type PageFile } from './staticFiles.ts';

/** What the routes share. */
export interface WebParts {
  readonly deps: WebDependencies;
  readonly options: WebOptions;
  readonly timing: WebTiming;
  readonly trustedProxies: BlockList;
  readonly feed: FleetFeed;
  readonly sessions: Sessions;
  readonly guard: Guard;
  readonly access: Access;
  readonly actions: Actions;
  readonly board: FailureBoard;
  readonly page: ReadonlyMap<string, PageFile>;
  /** Open streams by session, or by source where there is no log-in. */
  readonly streams: Map<string, number>;
  readonly stopping: AbortController;
  /** Whether a request came over HTTPS, to us or to a proxy that is believed. */
  isSecure(request: IncomingMessage): boolean;
}

/** Makes the parts and reads the built page into memory; without one `/` answers how to build it. */
export async function createWebParts(deps: WebDependencies, options: WebOptions): Promise<WebParts> {
  const timing = { ...WEB_TIMING, ...options.timing };
  const trustedProxies = blockListOf(options.trustedProxies);
  const sessions = new Sessions(deps.kube, timing);
  const access = new Access(deps.kube, timing.accessMs);
  return {
    deps,
    options,
    timing,
    trustedProxies,
    feed: new FleetFeed(deps),
    sessions,
    guard: new Guard(options.auth, sessions),
    access,
    actions: new Actions(deps, access),
    board: new FailureBoard(deps.runs),
    page: await readPage(options.distFolder),
    streams: new Map(),
    stopping: new AbortController(),
    isSecure(request) {
      if (options.tlsCertDir !== undefined) return true;
      const peer = (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
      return request.headers['x-forwarded-proto'] === 'https' && isListed(peer, trustedProxies);
    },
  };
}
