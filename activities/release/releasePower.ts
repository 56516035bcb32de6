import { claimIn, type Releasing } from '../../model/claim.ts';
import { IN_FLIGHT_MS, ON_TAKES_MS } from '../../model/deadlines.ts';
import { callsUntil } from '../../model/callsUntil.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { RedfishError, type RedfishClient } from '../../redfish/index.ts';
import { delay } from '../activityScope.ts';
import { acceptServer } from '../bmc/acceptServer.ts';
import { BmcCalls } from '../bmc/bmcCalls.ts';
import { connectBmc } from '../bmc/bmcConnection.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { bmcFailure, landingOf } from '../failures.ts';
import { claimFence, type Fenced } from '../bmc/fence.ts';
import { requireClaim } from '../store/hostStore.ts';
import { comesOn, switchOff, switchOffUnseen } from '../bmc/power.ts';
import type { ReleaseHostInput } from './releaseInput.ts';

/**
 * After this many attempts a release ends though its BMC refuses to clear the boot override of a server that is off.
 */
const CLEAR_TRIES = 3;

/** How far a release has come at the BMC. */
export interface ReleaseProgress {
  /** The server was confirmed off, and nothing is in flight that could switch it on. */
  isOff: boolean;
}

/** What a release has to wait for, beside its own calls, before it may clear the claim: at most 137 s. */
export function settlingMs(host: PhysicalHost, ref: ClaimRef): number {
  const inFlightMs = callsUntil(host, IN_FLIGHT_MS) === undefined ? 0 : IN_FLIGHT_MS;
  return inFlightMs + (mayComeOn(host, ref) ? ON_TAKES_MS : 0);
}

/**
 * The part of a release that calls the BMC (rule 4): power off, power-off confirmed, boot override cleared. What the
 * host says may still arrive of earlier calls (`BmcCalls`), and a power-on that may still take effect, is waited for
 * before that, and the override stays until that wait is over: a server that comes on meanwhile boots from the network,
 * where its token is refused, and never from the disk of an earlier machine. Gives why the override was left, when the
 * BMC refused several times to clear it: the server boots from the network once more then, which does the next claim no
 * harm (rule 4).
 */
export async function switchOffAndClear(
  deps: Dependencies,
  input: ReleaseHostInput,
  start: PhysicalHost,
  signal: AbortSignal,
  limitMs: number,
  progress: ReleaseProgress = { isOff: false },
): Promise<string | undefined> {
  const calls = new BmcCalls(deps.kube, { ...input.claim, limitMs });
  return calls.during(() => offAndClear(deps, calls, input, start, signal, progress));
}

async function offAndClear(
  deps: Dependencies,
  calls: BmcCalls,
  input: ReleaseHostInput,
  start: PhysicalHost,
  signal: AbortSignal,
  progress: ReleaseProgress,
): Promise<string | undefined> {
  const { claim: ref } = input;
  const bmc = await connectBmc(deps, start, input.attempt > 1 ? 'fresh' : 'recent');
  const host = await acceptServer(deps, start, bmc, signal);
  const options = claimFence(deps, calls, ref, host, ['Releasing'], signal);
  const claim = claimIn(host, 'Releasing');
  // A server that runs its final OS is asked to shut down in good order.
  const isGraceful = claim?.releasedFrom === 'HandedOver' && input.attempt === 1;
  const gracefulMs = isGraceful ? deps.options.gracefulShutdownMs : 0;
  const wasOn = await switchOff(bmc, ref.host, options, { gracefulMs });
  const isComingOn = !wasOn && mayComeOn(host, ref);
  if (isComingOn && input.attempt === 1) await switchOffUnseen(bmc, ref.host, options);
  // Of others, also of an earlier attempt whose worker was lost: from here on they can start nothing any more.
  if (calls.latest === undefined && callsUntil(host, IN_FLIGHT_MS) !== undefined)
    await calls.take(host, (live) => void requireClaim(live, ref, ['Releasing']));
  const { settledAt } = calls;
  const isInFlight = settledAt > Date.now();
  if (isInFlight || isComingOn) {
    // A power-on shows some time after it was accepted.
    const beganAt = Math.max(settledAt, sinceOf(claim));
    await outlast(bmc, ref.host, isInFlight, isComingOn ? beganAt + ON_TAKES_MS : settledAt, options);
  }
  progress.isOff = true;
  return clearOverride(bmc, input, options);
}

async function clearOverride(
  bmc: RedfishClient,
  { claim: ref, attempt }: ReleaseHostInput,
  options: Fenced,
): Promise<string | undefined> {
  try {
    await bmc.clearBootOverride(options);
    return undefined;
  } catch (error) {
    const isOfBmc = error instanceof RedfishError && !['FenceRefused', 'Aborted'].includes(error.kind);
    if (!isOfBmc || options.signal?.aborted === true) throw error;
    const message = `${offButNotCleared(ref.host)}: ${error.message}`;
    if (error.kind === 'Refused' && attempt >= CLEAR_TRIES) return message;
    throw bmcFailure(message, error.kind, landingOf(error));
  }
}

/** What is true of a release that has not come further than the power-off. */
export function offButNotCleared(host: string): string {
  return `the server of host ${host} is off (power-off confirmed), but its boot override could not be cleared`;
}

/**
 * Waits until `untilMs` (of `Date.now()`) for a power-on that may still take effect, and switches off what comes on at
 * once. Returns early where there was one power-on and it has come. The server was confirmed off at the end.
 */
async function outlast(
  bmc: RedfishClient,
  host: string,
  isInFlight: boolean,
  untilMs: number,
  options: Fenced,
): Promise<void> {
  const leftMs = () => Math.max(0, untilMs - Date.now());
  while (await comesOn(bmc, leftMs(), options)) {
    await switchOff(bmc, host, options);
    if (!isInFlight) return;
  }
  await delay(leftMs(), options.signal ?? new AbortController().signal);
  await switchOff(bmc, host, options);
}

/** When the release started; a time that cannot be read is taken for now. */
function sinceOf(claim: Releasing | undefined): number {
  const since = Date.parse(claim?.since ?? '');
  return Number.isNaN(since) ? Date.now() : Math.min(since, Date.now());
}

/** The power-on may have been accepted a moment ago, and the server was not confirmed on since. */
function mayComeOn(host: PhysicalHost, ref: ClaimRef): boolean {
  const { inspection } = host.status ?? {};
  const wasSeenOn = inspection?.claim === ref.id && inspection.poweredOnAt !== undefined;
  return claimIn(host, 'Releasing')?.releasedFrom === 'Armed' && !wasSeenOn;
}
