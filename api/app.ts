import Router from '@koa/router';
import Koa from 'koa';
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

const PREFIX = '/api/v1';

/** The application of the callback listener: every route of the contract. */
export function createCallbackApp(parts: ApiParts): Koa<ExchangeState> {
  const router = bootRouter(parts);
  router.post('/inspection/:namespace/:host', takeInspection(parts));
  router.get('/bootstrap/:namespace/:host', serveBootstrap(parts));
  router.post('/provisioned/:namespace/:host', takeProvisioned(parts));
  router.post('/provision-failed/:namespace/:host', takeProvisionFailed(parts));
  router.post('/os-ready/:namespace/:host', takeOsReady(parts));
  return createApp(parts, router);
}

/** The application of the plain HTTP listener for iPXE: boot scripts and images, nothing with a bearer. */
export function createBootApp(parts: ApiParts): Koa<ExchangeState> {
  return createApp(parts, bootRouter(parts));
}

function bootRouter(parts: ApiParts): Router<ExchangeState> {
  const router = new Router<ExchangeState>({ prefix: PREFIX });
  router.get('/boot/:namespace/:host/:nonce', serveBootScript(parts));
  if (parts.options.bootByMac === true) router.get('/boot', serveBootScriptByMac(parts));
  return router;
}

function createApp(parts: ApiParts, router: Router<ExchangeState>): Koa<ExchangeState> {
  const app = new Koa<ExchangeState>();
  // Only what breaks after the headers are out comes here: a client that went away in the middle of a file.
  app.on('error', (error: unknown) => parts.deps.logger.debug({ err: error }, 'an answer was cut short'));
  app.use(exchange(parts));
  app.use(serveImages(parts));
  app.use(router.routes());
  return app;
}
