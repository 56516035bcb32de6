import type { RouterContext } from '@koa/router';
import { claimOf, type Claim } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { nameFor } from '../../model/sameServer.ts';
import type { HostKey } from '../auth.ts';
import { normalizeMac } from '../bootScript.ts';
import { bootClosed, inspectionOf } from '../claimWindow.ts';
import { notFound } from '../errors.ts';
import { limitHost, limitNamespace, noteClaim, type ExchangeState } from '../exchange.ts';
import { patchStatus, readHost, replacement, swapHost, type StatusPatch } from '../hostFacts.ts';
import { ownerOfMac } from '../macOwner.ts';
import type { ApiParts } from '../parts.ts';
import { answerScript } from './boot.ts';

/** How many hosts an event of a contested MAC address is about, and how many it names. */
const MAX_TOLD = 3;

/**
 * `GET /boot?mac=` (rule 25): the script of the armed host that this MAC stands for (`ownerOfMac`), for DHCP servers
 * that hand out one fixed URL. There is no nonce: the first fetch pins the source address (and begins the inspection:
 * `InProgress`), others get the 404. One PATCH by compare-and-swap both pins and proves that the cached host is live,
 * so that no GET is needed.
 */
export function serveBootScriptByMac(parts: ApiParts): (ctx: RouterContext<ExchangeState>) => Promise<void> {
  return async (ctx) => {
    ctx.state.route = '/boot?mac=';
    const mac = normalizeMac(typeof ctx.query.mac === 'string' ? ctx.query.mac : undefined);
    if (mac === undefined) throw notFound('the MAC address is missing or malformed');
    const cached = ownerOf(parts, mac, ctx.state.source);
    const key = { namespace: cached.metadata.namespace, host: cached.metadata.name };
    ctx.state.key = key;
    limitHost(parts, key, ctx.state.source);
    const { host, claim } = await pin(parts, key, cached, ctx.state.source);
    noteClaim(ctx.state, claim);
    limitNamespace(parts, key);
    await answerScript(parts, ctx, host, claim, mac);
  };
}

/**
 * Throws the 404. That the MAC address of a server is contested which should boot now is reported on its host: it waits
 * in vain otherwise.
 */
function ownerOf(parts: ApiParts, mac: string, source: string): PhysicalHost {
  const mayBoot = (host: PhysicalHost) => {
    const claim = claimOf(host);
    return claim !== undefined && bootClosed(host, claim, parts.waits, Date.now()) === undefined;
  };
  const owner = ownerOfMac(mac, { hostsByMac: parts.deps.hostsByMac, mayBoot });
  if (owner.kind === 'host') return owner.host;
  if (owner.kind === 'unknown') throw notFound('no host has this MAC address');
  const { hosts } = owner;
  for (const host of hosts.filter(mayBoot).slice(0, MAX_TOLD)) {
    limitHost(parts, { namespace: host.metadata.namespace, host: host.metadata.name }, source);
    const others = hosts.filter((other) => other !== host).map((other) => nameFor(host, other));
    const names = [...new Set(others)].slice(0, MAX_TOLD).join(', ');
    parts.deps.recorder.event(
      host,
      'Warning',
      'BootScriptRefused',
      `No boot script is served for MAC address ${mac}: ${names} ${others.length === 1 ? 'has' : 'have'} it as well, and nothing tells whose it is. ` +
        'Set spec.bootMACAddress on the host whose server it is, and only there; the server asks again with its next boot.',
    );
  }
  throw notFound(
    `several hosts have this MAC address: ${hosts.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')}`,
  );
}

/** What the cache shows does not decide: the live host is read. */
class NotLive extends Error {}

/** The host as it is live, with its script pinned to `source`. Throws the 404. */
function pin(
  parts: ApiParts,
  key: HostKey,
  cached: PhysicalHost,
  source: string,
): Promise<{ host: PhysicalHost; claim: Claim }> {
  return swapHost(key, {
    start: cached,
    read: () => readHost(parts.deps.kube, key),
    isStale: (error) => error instanceof NotLive,
    write: async (host, isLive) => {
      if (host === undefined) throw notFound('the host is gone');
      const claim = claimOf(host);
      const closed = claim ? bootClosed(host, claim, parts.waits, Date.now()) : 'the host is not claimed';
      const current = claim && inspectionOf(host, claim);
      const pinned = current?.sourceAddress;
      if (claim !== undefined && closed === undefined && pinned === undefined) {
        const inspection = replacement(host.status?.inspection, { ...current, claim: claim.id, sourceAddress: source });
        const status = { inspection, inspectionPhase: 'InProgress' } as StatusPatch;
        return { host: await patchStatus(parts.deps.kube, key, host, status), claim };
      }
      if (!isLive) throw new NotLive();
      if (claim === undefined || closed !== undefined) throw notFound(closed ?? 'the host is not claimed');
      if (pinned === source) return { host, claim };
      throw pinnedElsewhere(parts, host, pinned, source);
    },
  });
}

function pinnedElsewhere(parts: ApiParts, host: PhysicalHost, pinned: string | undefined, source: string) {
  parts.deps.recorder.event(
    host,
    'Warning',
    'BootScriptRefused',
    `The boot script was asked for by ${source}, but the first fetch came from ${pinned ?? 'another address'}: refused. ` +
      'If this is the same server with a new address, annotate the machine with beskar7.io/retry after the inspection has timed out.',
  );
  return notFound('the script is pinned to another address');
}
