import type { RouterContext } from '@koa/router';
import { claimOf, type Claim } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { MACHINE_REASONS } from '../../crds/reasons.ts';
import { isConsumer } from '../../model/references.ts';
import { hostKeyOf, matchesHash, type HostKey } from '../auth.ts';
import { bootScript, normalizeMac } from '../bootScript.ts';
import { bootClosed, inspectionOf } from '../claimWindow.ts';
import { notFound } from '../errors.ts';
import { limitHost, limitNamespace, noteClaim, type Exchange, type ExchangeState } from '../exchange.ts';
import { patchStatus, readHost, replacement, type StatusPatch } from '../hostFacts.ts';
import type { ApiParts } from '../parts.ts';
import { scriptUrls } from '../urls.ts';

/**
 * `GET /boot/{ns}/{host}/{nonce}[?mac=]`: the boot script of an armed host, or the one opaque 404. The first fetch
 * begins the inspection.
 */
export function serveBootScript(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    ctx.state.route = '/boot/{ns}/{host}/{nonce}';
    const key = hostKeyOf(ctx.params.namespace, ctx.params.host);
    if (key === undefined) throw notFound('no host can have this name');
    ctx.state.key = key;
    limitHost(parts, key, ctx.state.source);
    const host = await readHost(parts.deps.kube, key);
    if (host === undefined) throw notFound('there is no such host');
    const claim = claimOf(host);
    if (claim === undefined) throw notFound('the host is not claimed');
    if (!matchesHash(ctx.params.nonce, claim.nonceHash)) throw notFound('the nonce is not that of the claim');
    noteClaim(ctx.state, claim);
    limitNamespace(parts, key);
    const closed = bootClosed(host, claim, parts.waits, Date.now());
    if (closed !== undefined) throw notFound(closed);
    const { mac } = ctx.query;
    // A firmware that sends no usable MAC boots all the same: the one in the spec is as good.
    const known = normalizeMac(typeof mac === 'string' ? mac : undefined) ?? normalizeMac(host.spec.bootMACAddress);
    await answerScript(parts, ctx, host, claim, known);
    await noteInProgress(parts, key, host, claim);
  };
}

/**
 * Says that the server runs the inspection image now. The boot does not depend on it: what cannot be written is left.
 */
async function noteInProgress(parts: ApiParts, key: HostKey, host: PhysicalHost, claim: Claim): Promise<void> {
  const current = inspectionOf(host, claim);
  if (current !== undefined && host.status?.inspectionPhase === 'InProgress') return;
  const inspection = replacement(host.status?.inspection, { ...current, claim: claim.id });
  try {
    await patchStatus(parts.deps.kube, key, host, { inspection, inspectionPhase: 'InProgress' } as StatusPatch);
  } catch (error) {
    parts.deps.logger.debug({ err: error, ...key }, 'inspectionPhase InProgress was not written');
  }
}

/**
 * Answers with the script of a host that may boot. What the script cannot be made of is told by an event; the answer is
 * the 404.
 */
export async function answerScript(
  parts: ApiParts,
  ctx: Exchange,
  host: PhysicalHost,
  claim: Claim,
  mac: string | undefined,
): Promise<void> {
  const { recorder } = parts.deps;
  const secret = await parts.bootSecrets.secretOf(host, claim);
  if (secret === undefined) {
    recorder.event(
      host,
      'Warning',
      MACHINE_REASONS.invalidBootConfiguration,
      'No boot script is served: the Secret with the token of this claim is gone or was changed. The inspection will time out.',
    );
    throw notFound('the Secret of the claim is gone or does not match its hash');
  }
  const machine = await parts.deps.machineOf(host);
  if (machine === undefined || !isConsumer(host, machine)) {
    throw notFound('the machine that claimed the host is gone');
  }
  const { namespace, name } = host.metadata;
  const urls = scriptUrls(parts.options, parts.ports, ctx.req.socket);
  const caPem = parts.tls?.files.ca;
  const { token, spec } = secret;
  const script = bootScript({ namespace, host: name, token, mac, machine: spec, ...urls, caPem });
  if (script.kind === 'invalid') {
    const what = script.problems.join('; ');
    recorder.event(
      host,
      'Warning',
      MACHINE_REASONS.invalidBootConfiguration,
      `No boot script is served for Beskar7Machine ${machine.metadata.name}: ${what}. Correct its spec: that counts for the next run, which starts when this one has timed out.`,
    );
    throw notFound(`no script can be made: ${what}`);
  }
  ctx.state.outcome = 'boot script served';
  ctx.status = 200;
  ctx.set({ 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  ctx.body = script.text;
}
