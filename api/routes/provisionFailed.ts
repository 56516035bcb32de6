import { Value } from 'typebox/value';
import type { RouterContext } from '@koa/router';
import { findCondition, withConditions } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, MACHINE_REASONS } from '../../crds/reasons.ts';
import { Failure } from '../contract/schemas.ts';
import { hasBody, parseJson, readBody, requireJson } from '../../http/body.ts';
import { badRequest } from '../../http/errors.ts';
import { accept, noteClaim, type ExchangeState } from '../exchange.ts';
import { readAuthorized, storeFact, type Claimed, type Decision } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { cleanReason } from '../reason.ts';
import { callbackOf } from './callback.ts';
import { decideHandover, storeHandover } from './handover.ts';

/** Far more than a reason needs; only its first 256 bytes are kept. */
const MAX_BYTES = 65_536;

/**
 * `POST /provision-failed/{ns}/{host}` with `{"reason"}`: the inspector gives up. Counts in `Armed`, opened or not, and
 * over an earlier `provisioned` that was not yet acted upon; the first reason stays. After hand-over: 202, a condition
 * and an event, nothing else (rule 22).
 */
export function takeProvisionFailed(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    const { key, bearer } = callbackOf(parts, ctx, '/provision-failed/{ns}/{host}');
    const start = await readAuthorized(parts.deps.kube, key, bearer);
    // Before the body: who is refused anyway gets no byte read.
    const first = decide(parts, start, '');
    if (first.kind === 'refused') throw first.error;
    const reason = await readReason(parts, ctx, bearer);
    const settled = await storeFact(parts.deps.kube, key, bearer, (claimed) => decide(parts, claimed, reason), start);
    const { host, claim } = settled;
    noteClaim(ctx.state, claim);
    if (claim.stage === 'HandedOver' && settled.isStored) {
      parts.deps.recorder.event(host, 'Warning', MACHINE_REASONS.provisionFailed, lateMessage(reason));
    }
    ctx.state.outcome = `failed: ${reason}`;
    accept(ctx);
    if (settled.signal !== undefined)
      parts.signals.send(settled.signal, host, claim.id, { isNews: settled.isStored, span: ctx.state.span });
  };
}

function decide(parts: ApiParts, claimed: Claimed, reason: string): Decision {
  return decideHandover(parts, claimed, {
    armed: (facts) => {
      if (facts?.outcome === 'Failed') return { kind: 'accepted', signal: 'handoverReported' };
      const said = { outcome: 'Failed', reason, reportedAt: new Date().toISOString() } as const;
      return storeHandover(claimed.host, claimed.claim, said, 'handoverReported');
    },
    handedOver: () => reportLate(claimed.host, reason),
  });
}

function reportLate(host: PhysicalHost, reason: string): Decision {
  const { conditions } = host.status ?? {};
  if (findCondition(conditions, CONDITIONS.failureReported)?.status === 'True') return { kind: 'accepted' };
  const told = {
    type: CONDITIONS.failureReported,
    status: 'True',
    reason: MACHINE_REASONS.provisionFailed,
    message: lateMessage(reason),
  } as const;
  const now = new Date().toISOString();
  return { kind: 'store', status: { conditions: withConditions(conditions, [told], now, host.metadata.generation) } };
}

function lateMessage(reason: string): string {
  return `The inspector said after the hand-over that provisioning failed: ${reason}. The server is left alone; look at it, and delete its machine if it does not run.`;
}

async function readReason(
  parts: ApiParts,
  ctx: RouterContext<ExchangeState>,
  bearer: string | undefined,
): Promise<string> {
  if (!hasBody(ctx.req)) return cleanReason('');
  requireJson(ctx.req);
  const json = parseJson(await readBody(ctx.req, { limitBytes: MAX_BYTES, timeoutMs: parts.timeouts.requestMs }));
  if (json.kind === 'bad') throw badRequest('invalid body', [json.why]);
  const { value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('invalid body', ['the body has to be an object such as {"reason":"..."}']);
  }
  if (!Value.Check(Failure, value)) throw badRequest('invalid body', ['reason: has to be a string']);
  return cleanReason(value.reason ?? '', bearer);
}
