import { claimOf } from '../crds/claim.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { RedfishClient } from '../redfish/index.ts';
import { delay } from './activityScope.ts';
import { connectBmc } from './bmcConnection.ts';
import type { ClaimRef } from './claimRef.ts';
import type { Dependencies } from './dependencies.ts';
import { BMC_CALL_MS, FENCE_MS } from './fence.ts';
import { comesOn, fenced, ON_TAKES_MS, switchOff, switchOffUnseen } from './power.ts';
import type { ReleaseHostInput } from './releaseHost.ts';

type Options = ReturnType<typeof fenced>;

/**
 * The part of a release that calls the BMC (rule 4): power off, power-off confirmed, boot override cleared. A power-on that may still take effect
 * is waited for first, and the override stays until that wait is over: a server that comes on meanwhile boots from the network, where its
 * token is refused, and never from the disk of an earlier machine.
 */
export async function switchOffAndClear(
  deps: Dependencies,
  input: ReleaseHostInput,
  host: PhysicalHost,
  signal: AbortSignal,
): Promise<void> {
  const { claim: ref } = input;
  const bmc = await connectBmc(deps, host, input.attempt > 1 ? 'fresh' : 'recent');
  const options = fenced(deps, ref, ['Releasing'], signal);
  const gracefulMs = input.wasHandedOver && input.attempt === 1 ? deps.options.gracefulShutdownMs : 0;
  const wasOn = await switchOff(bmc, ref.host, options, { gracefulMs });
  const isComingOn = !wasOn && mayComeOn(host, ref);
  if (isComingOn && input.attempt === 1) await switchOffUnseen(bmc, ref.host, options);
  // What is in flight may arrive as late as that, and a power-on shows some time after it was accepted.
  const inFlightMs = (input.isUnconfirmed ? FENCE_MS + BMC_CALL_MS : 0) + (isComingOn ? ON_TAKES_MS : 0);
  if (inFlightMs > 0) await outlast(bmc, input, Date.parse(input.releasingSince) + inFlightMs, options);
  await bmc.clearBootOverride(options);
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
