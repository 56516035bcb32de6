import Router, { type RouterContext } from '@koa/router';
import Koa from 'koa';
import { ROUTES, type Route, type RouteId } from './contract/routes.ts';
import { exchange, type ExchangeState } from './exchange.ts';
import type { ApiParts } from './parts.ts';
import { serveBootScript } from './routes/boot.ts';
import { serveBootScriptByMac } from './routes/bootByMac.ts';
import { serveBootstrap } from './routes/bootstrap.ts';
import { serveImages } from './routes/images.ts';
import { takeInspection } from './routes/inspection.ts';
import { takeOsReady } from './routes/osReady.ts';
import { takeProvisioned } from './routes/provisioned.ts';
import { takeProvisionFailed } from './routes/provisionFailed.ts';

type Handler = (ctx: RouterContext<ExchangeState>) => Promise<void>;

/** What does each route of the contract; a route without one does not compile. */
const HANDLERS: Readonly<Record<RouteId, (parts: ApiParts) => Handler>> = {
  serveBootScript,
  serveBootScriptByMac,
  takeInspection,
  serveBootstrap,
  takeProvisioned,
  takeProvisionFailed,
  takeOsReady,
};

/** The application of the callback listener: every route of the contract. */
export function createCallbackApp(parts: ApiParts): Koa<ExchangeState> {
  return createApp(parts, () => true);
}

/** The application of the plain HTTP listener for iPXE: boot scripts and images, nothing with a bearer. */
export function createBootApp(parts: ApiParts): Koa<ExchangeState> {
  return createApp(parts, ({ auth }) => auth !== 'bearer');
}

function routerOf(parts: ApiParts, isServed: (route: Route) => boolean): Router<ExchangeState> {
  const router = new Router<ExchangeState>();
  for (const route of ROUTES) {
    if (!isServed(route) || (route.auth === 'mac' && parts.options.bootByMac !== true)) continue;
    router[route.method](route.path.replace(/\{(\w+)\}/g, ':$1'), HANDLERS[route.id](parts));
  }
  return router;
}

function createApp(parts: ApiParts, isServed: (route: Route) => boolean): Koa<ExchangeState> {
  const app = new Koa<ExchangeState>();
  // Only what breaks after the headers are out comes here: a client that went away in the middle of a file.
  app.on('error', (error: unknown) => parts.deps.logger.debug({ err: error }, 'an answer was cut short'));
  app.use(exchange(parts));
  app.use(serveImages(parts));
  app.use(routerOf(parts, isServed).routes());
  return app;
}
