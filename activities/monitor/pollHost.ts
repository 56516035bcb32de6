import { ApplicationFailure } from '@temporalio/common';
import { claimOf } from '../../model/claim.ts';
import { condition, findCondition, isUpToDate, type ConditionPatch } from '../../crds/conditions.ts';
import { API_VERSION } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { compareServer, recordedServer, type ServerShown } from '../../model/serverIdentity.ts';
import { HOSTS } from '../../kube/resource.ts';
import { swap } from '../../kube/swap.ts';
import { RedfishError, type Identify, type PowerState, type RedfishClient } from '../../redfish/index.ts';
import { acceptShown, completeServer } from '../bmc/acceptServer.ts';
import { connectBmc, recordCredentials, type BmcDependencies } from '../bmc/bmcConnection.ts';
import type { Dependencies } from '../dependencies.ts';
import type { FailedPoll } from './failedPolls.ts';
import { fromRedfish } from '../failures.ts';
import { readHost } from '../store/hostStore.ts';
import { isMonitored } from './monitored.ts';
import { REACHABLE, reachabilityReason } from '../bmc/reachability.ts';
import { whyDifferent } from '../bmc/serverCheck.ts';
import { judgePower } from '../bmc/unexpectedlyOn.ts';
import { POLL_REQUEST_MS } from '../../model/deadlines.ts';

/** Owns `powerState` and the condition RedfishReachable while nobody works on the host (rule 19). */
const FIELD_MANAGER = 'beskar7-monitor';
/** Repeated log-ins with a wrong password lock accounts. */
const REFUSED_MS = 60_000;
/** A BMC that does not answer is asked less and less often, at least once in so many intervals. */
const MOST_INTERVALS = 5;

/** Conditions whose event bears their name. */
const EVENT_WHEN_TRUE: ReadonlySet<string> = new Set([
  CONDITIONS.unexpectedlyOn,
  CONDITIONS.unexpectedlyOff,
  CONDITIONS.differentServer,
]);

/** What one look at a BMC needs. */
export type PollDependencies = BmcDependencies & Pick<Dependencies, 'recorder' | 'caches'>;

/**
 * One look at the BMC of a host: its power state, by one GET. Writes power state and reachability when they changed,
 * and nothing else; changes nothing at the BMC. Gives what is to be remembered when the BMC did not answer. Each
 * request has `requestMs`. Throws when the signal aborts, and on errors of the API server.
 */
export async function pollHost(
  deps: PollDependencies,
  host: PhysicalHost,
  known: FailedPoll | undefined,
  intervalMs: number,
  signal: AbortSignal,
  requestMs = POLL_REQUEST_MS,
): Promise<FailedPoll | undefined> {
  try {
    let shown: ServerShown = {};
    const { bmc, powerState } = await readPower(deps, host, known, {
      signal,
      timeoutMs: requestMs,
      identify: (read) => void (shown = read),
    });
    const now = await acceptShown(deps, host, shown);
    const recorded = recordedServer(now);
    // Some BMCs leave out UUID and serial number while they start: that is no other server yet.
    const isUnclear = recorded !== undefined && compareServer(recorded, shown) === 'unconfirmed';
    const different = isUnclear ? undefined : whyDifferent(now, shown);
    const server = isUnclear ? [] : serverConditions(now, different);
    // The power of another server is not this one's.
    await writeConditions(deps, now, [REACHABLE, ...server], different === undefined ? powerState : undefined);
    if (different === undefined) await completeServer(deps, now, shown);
    const isOurs = (live: PhysicalHost) => claimOf(live)?.id === claimOf(host)?.id && isMonitored(live);
    await recordCredentials(deps, now, bmc, isOurs);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const failure = fromRedfish(error, host.metadata.name);
    if (!(failure instanceof ApplicationFailure)) throw failure;
    const reason = reachabilityReason(failure);
    const attempts = (known?.attempts ?? 0) + 1;
    const isRefused = failure.type === 'BmcCredentials';
    const delayMs = Math.max(
      isRefused ? REFUSED_MS : 0,
      intervalMs * Math.min(MOST_INTERVALS, 2 ** Math.min(attempts - 1, 10)),
    );
    const nextAt = Date.now() + delayMs;
    const next = new Date(nextAt).toISOString();
    const message = `${failure.message}. Attempt ${attempts}; the next one is due at ${next}. ${consequence(host)}`;
    await writeConditions(
      deps,
      host,
      [{ type: CONDITIONS.redfishReachable, status: 'False', reason, message }],
      undefined,
    );
    return { attempts, nextAt, isRefused };
  }
}

/** Refused credentials are read again at once: when the Secret has changed, they are tried. */
async function readPower(
  deps: PollDependencies,
  host: PhysicalHost,
  known: FailedPoll | undefined,
  options: { readonly signal: AbortSignal; readonly identify: Identify; readonly timeoutMs: number },
): Promise<{ readonly bmc: RedfishClient; readonly powerState: PowerState }> {
  const bmc = await connectBmc(deps, host, known?.isRefused ? 'fresh' : 'kept');
  try {
    return { bmc, powerState: await bmc.getPowerState(options) };
  } catch (error) {
    const isRefused = error instanceof RedfishError && ['Unauthorized', 'PasswordChangeRequired'].includes(error.kind);
    // The client of other credentials was closed under our hands: they have changed as well.
    const isReplaced = error instanceof RedfishError && error.kind === 'Aborted' && !options.signal.aborted;
    if (!isRefused && !isReplaced) throw error;
    const renewed = await connectBmc(deps, host, 'fresh');
    if (renewed === bmc) throw error;
    return { bmc: renewed, powerState: await renewed.getPowerState(options) };
  }
}

/** The condition DifferentServer, where it has to be said or taken back. */
function serverConditions({ status }: PhysicalHost, different: string | undefined): ConditionPatch[] {
  const type = CONDITIONS.differentServer;
  if (different !== undefined) {
    const message = `Nothing is sent to it, and the host is not offered: ${different}`;
    return [{ type, status: 'True', reason: HOST_REASONS.differentServer, message }];
  }
  if (findCondition(status?.conditions, type) === undefined) return [];
  const message = 'The server behind the BMC address is the one of this host.';
  return [{ type, status: 'False', reason: 'SameServer', message }];
}

/** A look that found no server leaves that condition as it is: left out, it would be taken away. */
function serverKept({ status }: PhysicalHost, seen: readonly ConditionPatch[]): ConditionPatch[] {
  const current = findCondition(status?.conditions, CONDITIONS.differentServer);
  const isSeenNow = seen.some(({ type }) => type === CONDITIONS.differentServer);
  return current === undefined || isSeenNow ? [] : [current];
}

function consequence(host: PhysicalHost): string {
  return host.spec.consumerRef === undefined
    ? 'The host stays as it is.'
    : `Its server and Beskar7Machine ${host.spec.consumerRef.name} are not touched.`;
}

/**
 * Applies what changed, with the resourceVersion of the host that was polled; of a host that has changed meanwhile only
 * when its claim is the same and it is still the monitor's. `power`: undefined when the BMC did not answer.
 */
async function writeConditions(
  deps: PollDependencies,
  host: PhysicalHost,
  seen: readonly ConditionPatch[],
  power: PowerState | undefined,
): Promise<void> {
  const { namespace = '', name, uid } = host.metadata;
  const isOurs = (live: PhysicalHost) =>
    live.metadata.uid === uid && claimOf(live)?.id === claimOf(host)?.id && isMonitored(live);
  await swap({
    what: `host ${namespace}/${name}`,
    start: host,
    read: () => readHost(deps.kube, namespace, name),
    write: async (current, isLive) => {
      if (current === undefined || (isLive && !isOurs(current))) return;
      const finding = judgePower(current, power);
      const patches = [...seen, ...serverKept(current, seen), ...finding.conditions];
      const { conditions, powerState: before } = current.status ?? {};
      const powerState = power ?? before;
      const isCurrent = patches.every((patch) => isUpToDate(findCondition(conditions, patch.type), patch));
      if (isCurrent && powerState === before && !finding.isSeenOff) return;
      await apply(deps, current, patches, { powerState, isSeenOff: finding.isSeenOff });
      announce(deps, current, patches);
    },
    onGone: () => undefined,
  });
}

async function apply(
  deps: PollDependencies,
  host: PhysicalHost,
  patches: readonly ConditionPatch[],
  { powerState, isSeenOff }: { readonly powerState: string | undefined; readonly isSeenOff: boolean },
): Promise<void> {
  const { namespace, name, uid, resourceVersion, generation } = host.metadata;
  const now = new Date().toISOString();
  const before = host.status?.conditions;
  await deps.kube.applyStatus(
    HOSTS,
    {
      apiVersion: API_VERSION,
      kind: HOSTS.kind,
      metadata: { namespace, name, uid, resourceVersion },
      status: {
        conditions: patches.map((patch) => condition(patch, now, generation, findCondition(before, patch.type))),
        // Left out, it would be taken away: it is what the BMC said last.
        ...(powerState === undefined ? {} : { powerState }),
        ...(isSeenOff ? { enrollment: { foundOn: false } } : {}),
      },
    },
    { fieldManager: FIELD_MANAGER, force: true },
  );
}

function announce(deps: PollDependencies, host: PhysicalHost, patches: readonly ConditionPatch[]): void {
  for (const { type, status, message } of patches) {
    const before = findCondition(host.status?.conditions, type)?.status;
    if (status === before) continue;
    if (EVENT_WHEN_TRUE.has(type)) {
      if (status === 'True') deps.recorder.event(host, 'Warning', type, message);
    } else if (status === 'False') deps.recorder.event(host, 'Warning', 'BmcUnreachable', message);
    else if (before === 'False') deps.recorder.event(host, 'Normal', 'BmcReachable', 'The BMC answers again.');
  }
}
