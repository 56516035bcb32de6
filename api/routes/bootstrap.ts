import type { RouterContext } from '@koa/router';
import { isNotFound } from '../../kube/error.ts';
import { SECRETS } from '../../kube/resource.ts';
import { handoverOf, isBearerOver } from '../claimWindow.ts';
import { notFound, unauthorized } from '../errors.ts';
import { noteClaim, type ExchangeState } from '../exchange.ts';
import { readAuthorized } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { callbackOf } from './callback.ts';

const CALL_TIMEOUT_MS = 6_000;

/**
 * `GET /bootstrap/{ns}/{host}`: the bootstrap data byte for byte, once the hardware has passed validation; empty when none is due
 * (rule 23). 404 before, and for ever once it cannot come any more.
 */
export function serveBootstrap(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    const { key, bearer } = callbackOf(parts, ctx, '/bootstrap/{ns}/{host}');
    const { host, claim } = await readAuthorized(parts.deps.kube, key, bearer);
    noteClaim(ctx.state, claim);
    if (isBearerOver(host, claim, parts.waits, Date.now())) throw unauthorized('the token has expired');
    if (claim.stage !== 'Armed') throw notFound(`the claim is in stage ${claim.stage}`);
    const handover = handoverOf(host, claim);
    if (handover?.openedAt === undefined) throw notFound('the hardware has not passed yet', { isRoutine: true });
    if (handover.outcome === 'Failed') throw notFound('the provisioning has failed');
    const { bootstrapSecret } = handover;
    const data = bootstrapSecret === undefined ? Buffer.alloc(0) : await read(parts, key.namespace, bootstrapSecret);
    ctx.state.outcome = `${data.length} bytes of bootstrap data served`;
    ctx.status = 200;
    ctx.set({ 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' });
    ctx.body = data;
  };
}

async function read(parts: ApiParts, namespace: string, name: string): Promise<Buffer> {
  try {
    const secret = await parts.deps.kube.get(SECRETS, namespace, name, { timeoutMs: CALL_TIMEOUT_MS });
    const value = secret.data?.value;
    if (value === undefined) throw notFound(`bootstrap Secret ${namespace}/${name} has no key "value"`);
    return Buffer.from(value, 'base64');
  } catch (error) {
    // It may come (back): the inspector asks again.
    if (isNotFound(error)) throw notFound(`bootstrap Secret ${namespace}/${name} is not there`);
    throw error;
  }
}
