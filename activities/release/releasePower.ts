import { claimOf } from '../../model/claim.ts';
import { IN_FLIGHT_MS } from '../../model/deadlines.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { RedfishError, type RedfishClient } from '../../redfish/index.ts';
import { delay } from '../activityScope.ts';
import { acceptServer } from '../bmc/acceptServer.ts';
import { connectBmc } from '../bmc/bmcConnection.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { bmcFailure, landingOf } from '../failures.ts';
import { comesOn, fenced, ON_TAKES_MS, switchOff, switchOffUnseen } from '../bmc/power.ts';
import type { ReleaseHostInput } from './releaseHost.ts';

type Options = ReturnType<typeof fenced>;

/** After so many attempts a release ends though its BMC refuses to clear the boot override of a server that is off. */
const CLEAR_TRIES = 3;

/** How far a release has come at the BMC. */
export interface ReleaseProgress {
  /** The server was confirmed off, and nothing is in flight that could switch it on. */
  isOff: boolean;
}

/**
 * The part of a release that calls the BMC (rule 4): power off, power-off confirmed, boot override cleared. A power-on that may still take effect
 * is waited for first, and the override stays until that wait is over: a server that comes on meanwhile boots from the network, where its
 * token is refused, and never from the disk of an earlier machine. Gives why the override was left, when the BMC refused several times to clear it:
 * the server boots from the network once more then, which does the next claim no harm (rule 4).
 */
export async function switchOffAndClear(
  deps: Dependencies,
  input: ReleaseHostInput,
  start: PhysicalHost,
  signal: AbortSignal,
  progress: ReleaseProgress = { isOff: false },
): Promise<string | undefined> {
  const { claim: ref } = input;
  const bmc = await connectBmc(deps, start, input.attempt > 1 ? 'fresh' : 'recent');
  const host = await acceptServer(deps, start, bmc, signal);
  const options = fenced(deps, ref, host, ['Releasing'], signal);
  const gracefulMs = input.wasHandedOver && input.attempt === 1 ? deps.options.gracefulShutdownMs : 0;
  const wasOn = await switchOff(bmc, ref.host, options, { gracefulMs });
  const isComingOn = !wasOn && mayComeOn(host, ref);
  if (isComingOn && input.attempt === 1) await switchOffUnseen(bmc, ref.host, options);
  // What is in flight may arrive as late as that, and a power-on shows some time after it was accepted.
  const inFlightMs = (input.isUnconfirmed ? IN_FLIGHT_MS : 0) + (isComingOn ? ON_TAKES_MS : 0);
  if (inFlightMs > 0) await outlast(bmc, input, Date.parse(input.releasingSince) + inFlightMs, options);
  progress.isOff = true;
  return clearOverride(bmc, input, options);
}

async function clearOverride(
  bmc: RedfishClient,
  { claim: ref, attempt }: ReleaseHostInput,
  options: Options,
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
 * Waits until `untilMs` (of `Date.now()`) for a power-on that may still take effect, and switches off what comes on at once. Returns early
 * where there was one power-on and it has come. The server was confirmed off at the end.
 */
async function outlast(
  bmc: RedfishClient,
  { claim: ref, isUnconfirmed }: ReleaseHostInput,
  untilMs: number,
  options: Options,
): Promise<void> {
  const leftMs = () => Math.max(0, untilMs - Date.now());
  while (await comesOn(bmc, leftMs(), options)) {
    await switchOff(bmc, ref.host, options);
    if (!isUnconfirmed) return;
  }
  await delay(leftMs(), options.signal ?? new AbortController().signal);
  await switchOff(bmc, ref.host, options);
}

/** The power-on may have been accepted a moment ago, and the server was not seen on since. */
function mayComeOn(host: PhysicalHost, ref: ClaimRef): boolean {
  const { inspection } = host.status ?? {};
  const wasSeenOn = inspection?.claim === ref.id && inspection.poweredOnAt !== undefined;
  return claimOf(host)?.releasedFrom === 'Armed' && !wasSeenOn;
}
