import { randomUUID } from 'node:crypto';
import type { Span } from '@opentelemetry/api';
import type { Middleware, ParameterizedContext } from 'koa';
import type { Claim } from '../model/claim.ts';
import { KubeError } from '../kube/error.ts';
import type { HostKey } from './auth.ts';
import { ApiError } from '../http/errors.ts';
import { notFound, tooManyRequests, unavailable } from './errors.ts';
import type { ApiParts } from './parts.ts';
import { budgetOf, sourceOf } from '../http/source.ts';
import { callbackSpan, endCallbackSpan, traceFields } from './tracing.ts';

/** What a request's middlewares tell each other and the log line. */
export interface ExchangeState {
  requestId: string;
  /** ms since the epoch. */
  startedAt: number;
  source: string;
  /** The route by its pattern: the path itself may hold a nonce. */
  route: string;
  /** Which host it is about. */
  key?: HostKey;
  /** The claim whose bearer or nonce it had, by its id. */
  claim?: string;
  /** In the trace of that claim's run, where it is traced. */
  span?: Span | undefined;
  /** What came of it, for the log. */
  outcome?: string;
}

/** The Koa context of a request, once the outermost middleware has filled its state. */
export type Exchange = ParameterizedContext<ExchangeState>;

/**
 * The outermost middleware: request id, rate limit by source, the one place where an error becomes an answer, one log
 * line. An unexpected error is a 503 with Retry-After, since the caller can only come again; its text stays in the log.
 */
export function exchange(parts: ApiParts): Middleware<ExchangeState> {
  return async (ctx, next) => {
    const startedAt = performance.now();
    const { state } = ctx;
    state.requestId = randomUUID();
    state.startedAt = Date.now();
    state.source = sourceOf(ctx.req, parts.trustedProxies);
    state.route = 'unknown';
    ctx.set('X-Request-Id', state.requestId);
    let failure: ApiError | undefined;
    try {
      const waitMs = parts.perSource.take(budgetOf(state.source));
      if (waitMs > 0) throw tooManyRequests(waitMs, `from ${state.source}`);
      await next();
      if (ctx.status === 404 && ctx.body == null) throw notFound('no such route');
    } catch (error) {
      failure = asApiError(error);
      answerError(ctx, failure);
    }
    if (parts.isStopping) ctx.set('Connection', 'close');
    // A server asks for its bootstrap data until it is there: only the answer is of interest.
    if (failure?.isRoutine !== true) endCallbackSpan(state.span, { ...state, method: ctx.method, status: ctx.status });
    writeLogLine(parts, ctx, performance.now() - startedAt, failure);
  };
}

/** Notes for log and trace which claim the caller has proved to belong to. */
export function noteClaim(state: ExchangeState, claim: Claim): void {
  state.claim = claim.id;
  state.span ??= callbackSpan(claim, state.startedAt);
}

/**
 * Takes one request of the budget that all servers of a namespace share. Throws 429. For what boots and polls, and not
 * before a claim is proved: else anybody could use up the budget of a tenant by naming it. A server's last word
 * (`/provisioned`, `/provision-failed`, `/os-ready`) is never refused for it.
 */
export function limitNamespace(parts: ApiParts, { namespace }: HostKey): void {
  const waitMs = parts.perNamespace.take(namespace);
  if (waitMs > 0) throw tooManyRequests(waitMs, `of the servers of namespace ${namespace}`);
}

/**
 * Takes one request of the budget that a source has for one host. Throws 429. Not one budget per host alone: then
 * anybody on the network could use up that of a server that is about to report.
 */
export function limitHost(parts: ApiParts, key: HostKey, source: string): void {
  const host = `${key.namespace}/${key.host}`;
  const waitMs = parts.perHost.take(`${host} ${budgetOf(source)}`);
  if (waitMs > 0) throw tooManyRequests(waitMs, `about host ${host} from ${source}`);
}

/** 202: it is stored. */
export function accept(ctx: Exchange): void {
  ctx.status = 202;
  ctx.set('Content-Type', 'application/json');
  ctx.body = '{"status":"accepted"}';
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const waitMs = error instanceof KubeError ? error.retryAfterMs : undefined;
  const why = error instanceof Error ? error.message : 'something that is no error was thrown';
  return unavailable(why, { cause: error, waitMs });
}

function answerError(ctx: Exchange, error: ApiError): void {
  ctx.status = error.status;
  ctx.set({ ...error.headers, 'Content-Type': error.contentType, 'Cache-Control': 'no-store' });
  ctx.body = error.body;
}

function writeLogLine(parts: ApiParts, ctx: Exchange, ms: number, failure: ApiError | undefined): void {
  const { requestId, source, route, key, claim, outcome } = ctx.state;
  const fields = {
    requestId,
    method: ctx.method,
    route,
    ...(key === undefined ? {} : { namespace: key.namespace, host: key.host }),
    ...(claim === undefined ? {} : { claim }),
    ...traceFields(ctx.state.span),
    source,
    status: ctx.status,
    durationMs: Math.round(ms),
    ...(outcome === undefined ? {} : { outcome }),
    ...(failure === undefined ? {} : { reason: failure.message }),
    ...(failure?.cause instanceof Error ? { err: failure.cause } : {}),
  };
  const { logger } = parts.deps;
  if (failure?.isRoutine) logger.debug(fields, 'callback');
  else if (failure === undefined) logger.info(fields, 'callback');
  else if (failure.status >= 500) logger.error(fields, 'callback failed; the client is asked to retry');
  else logger.warn(fields, 'callback rejected');
}
