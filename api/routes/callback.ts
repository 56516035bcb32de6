import type { RouterContext } from '@koa/router';
import { bearerOf, hostKeyOf, type HostKey } from '../auth.ts';
import { unauthorized } from '../errors.ts';
import { limitHost, type ExchangeState } from '../exchange.ts';
import type { ApiParts } from '../parts.ts';

/** A callback about a host with what it says to be its bearer. */
export interface Callback {
  readonly key: HostKey;
  readonly bearer: string | undefined;
}

/** Reads host and bearer off a request and takes one of the host's budget. Throws 401 and 429. */
export function callbackOf(parts: ApiParts, ctx: RouterContext<ExchangeState>, route: string): Callback {
  ctx.state.route = route;
  const key = hostKeyOf(ctx.params.namespace, ctx.params.host);
  if (key === undefined) throw unauthorized('no host can have this name');
  ctx.state.key = key;
  limitHost(parts, key, ctx.state.source);
  return { key, bearer: bearerOf(ctx.get('Authorization')) };
}
