import type { RouterContext } from '@koa/router';
import { conflict, tooEarly } from '../errors.ts';
import { accept, noteClaim, type ExchangeState } from '../exchange.ts';
import { storeFact, type Claimed, type Decision } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { callbackOf } from './callback.ts';
import { decideHandover, storeHandover } from './handover.ts';

/**
 * `POST /provisioned/{ns}/{host}`: the inspector is about to start the final OS. 202 also when it comes again, and
 * after hand-over until the claim ends (rule 22); 503 before the hardware has passed; 409 after a failure or while the
 * host is being released.
 */
export function takeProvisioned(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    const { key, bearer } = callbackOf(parts, ctx, '/provisioned/{ns}/{host}');
    const settled = await storeFact(parts.deps.kube, key, bearer, (claimed) => decide(parts, claimed));
    noteClaim(ctx.state, settled.claim);
    ctx.state.outcome = settled.isStored ? 'provisioned' : 'provisioned, known already';
    accept(ctx);
    if (settled.signal !== undefined)
      parts.signals.send(settled.signal, settled.host, settled.claim.id, {
        isNews: settled.isStored,
        span: ctx.state.span,
      });
  };
}

function decide(parts: ApiParts, claimed: Claimed): Decision {
  return decideHandover(parts, claimed, {
    armed: (facts) => {
      if (facts?.outcome === 'Provisioned') return { kind: 'accepted', signal: 'handoverReported' };
      if (facts?.outcome === 'Failed') {
        return { kind: 'refused', error: conflict('this provisioning was reported as failed before') };
      }
      if (facts?.openedAt === undefined) {
        return { kind: 'refused', error: tooEarly('provisioned came before the hardware has passed') };
      }
      const said = { outcome: 'Provisioned', reportedAt: new Date().toISOString() } as const;
      return storeHandover(claimed.host, claimed.claim, said, 'handoverReported');
    },
    handedOver: () => ({ kind: 'accepted' }),
  });
}
