import type { RouterContext } from '@koa/router';
import { conflict, tooEarly } from '../errors.ts';
import { accept, noteClaim, type ExchangeState } from '../exchange.ts';
import { storeFact, type Claimed, type Decision } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { callbackOf } from './callback.ts';
import { decideHandover, storeHandover } from './handover.ts';

/** `POST /os-ready/{ns}/{host}`: the final OS says that it is up. The first time is kept; 202 until the claim ends. */
export function takeOsReady(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    const { key, bearer } = callbackOf(parts, ctx, '/os-ready/{ns}/{host}');
    const settled = await storeFact(parts.deps.kube, key, bearer, (claimed) => decide(parts, claimed));
    noteClaim(ctx.state, settled.claim);
    ctx.state.outcome = settled.isStored ? 'the OS is up' : 'the OS is up, known already';
    accept(ctx);
    if (settled.signal !== undefined)
      parts.signals.send(settled.signal, settled.host, settled.claim.id, {
        isNews: settled.isStored,
        span: ctx.state.span,
      });
  };
}

function decide(parts: ApiParts, claimed: Claimed): Decision {
  const { host, claim } = claimed;
  const now = new Date().toISOString();
  return decideHandover(parts, claimed, {
    armed: (facts) => {
      if (facts?.outcome === 'Failed') {
        return { kind: 'refused', error: conflict('this provisioning was reported as failed before') };
      }
      if (facts?.outcome !== 'Provisioned') {
        return { kind: 'refused', error: tooEarly('os-ready came before provisioned') };
      }
      if (facts.osReadyAt !== undefined) return { kind: 'accepted', signal: 'osReported' };
      return storeHandover(host, claim, { osReadyAt: now }, 'osReported');
    },
    // The run may still be writing its end, or be gone: the fact is stored, and a signal without a run is harmless.
    handedOver: (facts) =>
      facts?.osReadyAt === undefined
        ? storeHandover(host, claim, { osReadyAt: now }, 'osReported')
        : { kind: 'accepted' },
  });
}
