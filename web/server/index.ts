import { listen } from '../../http/listener.ts';
import { DEFAULT_TIMEOUTS } from '../../http/options.ts';
import { folderTls } from '../../http/tls.ts';
import { createWebApp } from './app.ts';
import type { WebDependencies, WebOptions } from './dependencies.ts';
import { createWebParts } from './parts.ts';
import { requireSafe } from './safety.ts';

export type { WebDependencies, WebKube, WebOptions } from './dependencies.ts';
export { TemporalRuns } from './runs.ts';

/** Each page holds one connection for its stream. */
const CONNECTIONS = { max: 2048, maxPerSource: 256 };
/** A stream says something every 10 s: a connection that is silent for longer is dead. */
const SILENT_MS = 60_000;
const STOP_MS = 2_000;

/** The running page. */
export interface Web {
  /** Where it really listens. */
  readonly url: string;
  /** Ends the streams, then the listener. */
  stop(): Promise<void>;
}

/**
 * Opens the listener of the page. Throws UnsafeWeb, ListenError for a port that cannot be opened, TlsError for
 * certificate files.
 */
export async function startWeb(deps: WebDependencies, options: WebOptions): Promise<Web> {
  requireSafe(options);
  const { tlsCertDir, bindAddress } = options;
  const tls = tlsCertDir === undefined ? undefined : await folderTls(tlsCertDir, deps.logger, false);
  const parts = await createWebParts(deps, options);
  const handle = createWebApp(parts).callback();
  try {
    const listener = await listen((request, response) => void handle(request, response), {
      flag: 'web-bind-address',
      address: bindAddress,
      timeouts: { ...DEFAULT_TIMEOUTS, requestMs: SILENT_MS, stopMs: STOP_MS },
      connections: CONNECTIONS,
      trusted: parts.trustedProxies,
      logger: deps.logger,
      tls,
    });
    const { host, port } = listener.address;
    const url = `http${tls === undefined ? '' : 's'}://${host.includes(':') ? `[${host}]` : host}:${port}/`;
    deps.logger.info({ url, auth: options.auth, files: parts.page.size }, 'web page ready');
    return {
      url,
      async stop() {
        parts.stopping.abort();
        parts.sessions.endAll();
        tls?.stop();
        await listener.stop();
        parts.feed.stop();
      },
    };
  } catch (error) {
    tls?.stop();
    parts.feed.stop();
    throw error;
  }
}
