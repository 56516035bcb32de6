import Router from '@koa/router';
import Koa, { type Context, type ParameterizedContext } from 'koa';
import { MAX_BODY_BYTES, parseJson, readBody, requireJson } from '../../http/body.ts';
import { sourceOf } from '../../http/source.ts';
import { JSON_BOUNDS } from '../../untrusted/json.ts';
import { visibleDocument } from '../../untrusted/text.ts';
import type { ObjectName, Session as SessionAnswer } from '../shared/api.ts';
import type { Visitor } from './access.ts';
import { sessionIdOf, setSessionId } from './cookie.ts';
import { asWebError, WebError } from './errors.ts';
import { hostDetail } from './hostDetail.ts';
import { machineDetail } from './machineDetail.ts';
import type { WebParts } from './parts.ts';
import type { Session } from './sessions.ts';
import { streamFleet } from './stream.ts';

/** Longest token, of a cloud provider with many claims in it, and the reason of a force-release. */
const MAX_BODY = Math.min(32_768, MAX_BODY_BYTES);
const BODY_MS = 10_000;
const MAX_STREAMS = 500;
const MAX_STREAMS_OF_ONE = 20;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

interface State {
  source: string;
  isSecure: boolean;
}
type Exchange = ParameterizedContext<State> & Pick<Context, 'req' | 'res'>;

/** The page and what it asks for (web/shared/api.ts). */
export function createWebApp(parts: WebParts): Koa<State> {
  const app = new Koa<State>();
  // Only what breaks after the headers are out comes here.
  app.on('error', (error: unknown) => parts.deps.logger.debug({ err: error }, 'an answer was cut short'));
  app.use(funnel(parts));
  app.use(routesOf(parts).routes());
  app.use(serveFiles(parts));
  return app;
}

/** The outermost: headers, budgets, and the one place where an error becomes an answer. */
function funnel(parts: WebParts): Koa.Middleware<State> {
  return async (ctx, next) => {
    ctx.set(HEADERS);
    ctx.state.source = sourceOf(ctx.req, parts.trustedProxies);
    ctx.state.isSecure = parts.isSecure(ctx.req);
    try {
      parts.guard.takeRequest(ctx.state.source);
      parts.guard.requireOwnName(ctx.req);
      await next();
      if (ctx.respond !== false && ctx.status === 404 && ctx.body == null) throw new WebError(404, 'Not found.');
    } catch (error) {
      const failure = asWebError(error);
      if (failure.status >= 500)
        parts.deps.logger.error({ err: error, method: ctx.method, path: ctx.path }, 'web page');
      else if (ctx.method !== 'GET')
        parts.deps.logger.warn(
          {
            method: ctx.method,
            path: ctx.path,
            status: failure.status,
            source: ctx.state.source,
            reason: failure.message,
          },
          'refused on the web page',
        );
      ctx.status = failure.status;
      ctx.set({ ...failure.headers, 'Cache-Control': 'no-store' });
      ctx.body = { error: failure.message };
    }
    if (parts.stopping.signal.aborted) ctx.set('Connection', 'close');
  };
}

function routesOf(parts: WebParts): Router<State> {
  const { deps, options, access, actions, feed, guard, sessions, board } = parts;
  const router = new Router<State>({ prefix: '/api' });
  const readers = {
    hosts: (visitor: Visitor, at: ObjectName) => hostDetail(deps, options, access, visitor, at),
    machines: (visitor: Visitor, at: ObjectName) => machineDetail(deps, options, access, feed, visitor, at),
  };

  router.use(async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store');
    await next();
  });
  router.get('/session', async (ctx) => {
    ctx.body = sessionAnswer(parts, await sessionOf(parts, ctx));
  });
  router.post('/login', async (ctx) => {
    guard.requireOwnPage(ctx.req, await sessionOf(parts, ctx));
    if (!guard.isLoginRequired) throw new WebError(409, 'There is no log-in here.');
    guard.takeLogin(ctx.state.source);
    const { token } = await bodyOf(ctx);
    if (typeof token !== 'string' || token.trim() === '') throw new WebError(400, 'Enter a Kubernetes bearer token.');
    const known = sessionIdOf(ctx);
    const session = await sessions.begin(token.trim());
    if (session === undefined) {
      deps.logger.warn({ source: ctx.state.source }, 'log-in to the web page rejected');
      throw new WebError(401, 'The API server does not accept this token.');
    }
    if (known !== undefined) sessions.end(known);
    deps.logger.info({ source: ctx.state.source, user: session.identity.username }, 'logged in to the web page');
    setSessionId(ctx, session.id);
    ctx.body = sessionAnswer(parts, session);
  });
  router.post('/logout', async (ctx) => {
    // Also while the API server is away, which cannot be asked about the token then.
    const session = sessions.kept(sessionIdOf(ctx));
    guard.requireOwnPage(ctx.req, session);
    if (session) sessions.end(session.id);
    setSessionId(ctx, undefined);
    ctx.status = 204;
  });
  router.get('/events', async (ctx) => {
    const visitor = await visitorOf(parts, ctx);
    await openStream(parts, ctx, visitor);
  });
  router.get('/failures', async (ctx) => {
    const visitor = await visitorOf(parts, ctx);
    ctx.body = visibleDocument(await board.of((await access.scope(visitor, feed)).sees));
  });
  for (const kind of ['hosts', 'machines'] as const)
    router.get(`/${kind}/:namespace/:name`, async (ctx) => {
      ctx.body = visibleDocument(await readers[kind](await visitorOf(parts, ctx), nameOf(ctx.params)));
    });
  const post = (path: string, act: (visitor: Visitor, at: ObjectName, reason: string) => Promise<object>) =>
    router.post(path, async (ctx) => {
      const visitor = await visitorOf(parts, ctx);
      guard.requireOwnPage(ctx.req, visitor.kind === 'user' ? visitor.session : undefined);
      const { reason } = await bodyOf(ctx);
      ctx.body = await act(visitor, nameOf(ctx.params), typeof reason === 'string' ? reason : '');
      ctx.status = 202;
    });
  post('/machines/:namespace/:name/retry', (visitor, at) => actions.retry(visitor, at));
  post('/machines/:namespace/:name/cancel', (visitor, at) => actions.cancel(visitor, at));
  post('/hosts/:namespace/:name/force-release', (visitor, at, reason) => actions.forceRelease(visitor, at, reason));
  return router;
}

/** What cannot be a name is not there. Throws 404. */
function nameOf({ namespace = '', name = '' }: Readonly<Record<string, string | undefined>>): ObjectName {
  if (!NAME.test(namespace) || !NAME.test(name)) throw new WebError(404, 'There is no object of this name.');
  return { namespace, name };
}

function sessionAnswer(parts: WebParts, session: Session | undefined): SessionAnswer {
  const { guard, options } = parts;
  return {
    isLoginRequired: guard.isLoginRequired,
    ...(session === undefined ? {} : { user: session.identity.username }),
    csrfToken: guard.csrfTokenOf(session),
    version: options.version,
  };
}

async function sessionOf(parts: WebParts, ctx: Exchange): Promise<Session | undefined> {
  const visitor = await parts.guard.visitorOf(sessionIdOf(ctx));
  return visitor?.kind === 'user' ? visitor.session : undefined;
}

/** Throws 401. */
async function visitorOf(parts: WebParts, ctx: Exchange): Promise<Visitor> {
  const visitor = await parts.guard.visitorOf(sessionIdOf(ctx));
  if (visitor === undefined) throw new WebError(401, 'Log in first.');
  return visitor;
}

async function bodyOf(ctx: Exchange): Promise<Readonly<Record<string, unknown>>> {
  requireJson(ctx.req);
  const bytes = await readBody(ctx.req, { limitBytes: MAX_BODY, timeoutMs: BODY_MS });
  if (bytes.length === 0) return {};
  const json = parseJson(bytes, JSON_BOUNDS.request);
  if (json.kind === 'bad' || typeof json.value !== 'object' || json.value === null)
    throw new WebError(400, 'The body is not a JSON object.');
  return json.value as Record<string, unknown>;
}

async function openStream(parts: WebParts, ctx: Exchange, visitor: Visitor): Promise<void> {
  const { access, feed, streams, stopping, timing, guard } = parts;
  // Refused in words while that is still possible.
  await access.scope(visitor, feed);
  const who = visitor.kind === 'user' ? `user ${visitor.session.identity.username}` : ctx.state.source;
  const open = streams.get(who) ?? 0;
  const all = [...streams.values()].reduce((sum, count) => sum + count, 0);
  if (all >= MAX_STREAMS || open >= MAX_STREAMS_OF_ONE)
    throw new WebError(503, 'Too many pages are open at once.', { headers: { 'Retry-After': '10' } });
  const given = ctx.req.headers['last-event-id'] ?? ctx.query['after'];
  const { res } = ctx;
  ctx.respond = false;
  res.writeHead(200, {
    ...HEADERS,
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  streams.set(who, open + 1);
  const signals = [stopping.signal, ...(visitor.kind === 'user' ? [visitor.session.ended] : [])];
  try {
    await streamFleet(res, {
      feed,
      lastId: typeof given === 'string' && given !== '' ? given : undefined,
      scope: async () => {
        // A token that no longer counts ends its session, and with it this stream.
        if (visitor.kind === 'user') await guard.visitorOf(visitor.session.id);
        return access.scope(visitor, feed);
      },
      ...timing,
      signal: AbortSignal.any(signals),
    });
  } finally {
    const left = (streams.get(who) ?? 1) - 1;
    if (left === 0) streams.delete(who);
    else streams.set(who, left);
  }
}

function serveFiles({ page }: WebParts): Koa.Middleware<State> {
  return async (ctx) => {
    const file = page.get(ctx.path);
    if (file === undefined) return;
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD')
      throw new WebError(405, 'Only GET is served here.', { headers: { Allow: 'GET, HEAD' } });
    ctx.set({
      'Content-Type': file.type,
      'Cache-Control': file.cacheControl,
      ETag: file.etag,
      Vary: 'Accept-Encoding',
    });
    if (isSameTag(ctx.get('If-None-Match'), file.etag)) {
      ctx.status = 304;
      return;
    }
    ctx.status = 200;
    const isZipped = file.gzipped !== undefined && /\bgzip\b/.test(ctx.get('Accept-Encoding'));
    if (isZipped) ctx.set('Content-Encoding', 'gzip');
    ctx.body = isZipped ? file.gzipped : file.bytes;
  };
}

function isSameTag(given: string, etag: string): boolean {
  return given === '*' || given.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
