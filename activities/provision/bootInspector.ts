import { arm, claimIn, claimOf, serializeClaim, type Armed, type Claimed } from '../../model/claim.ts';
import { findCondition, withConditions } from '../../crds/conditions.ts';
import { ANNOTATION_CLAIM } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS, MACHINE_REASONS } from '../../crds/reasons.ts';
import { SECRETS } from '../../kube/resource.ts';
import type { PowerState } from '../../redfish/index.ts';
import { acceptServer } from '../bmc/acceptServer.ts';
import { withinMs } from '../activityScope.ts';
import { BmcCalls } from '../bmc/bmcCalls.ts';
import { connectBmc } from '../bmc/bmcConnection.ts';
import { mintBootSecret } from './bootSecret.ts';
import { bootSpecOf } from '../../model/bootSecret.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { bmcFailure, claimLost, fromRedfish, isClaimLost, retryable } from '../failures.ts';
import { claimFence, refusePaused } from '../bmc/fence.ts';
import { hostForClaim, patchHost, patchHostStatus, readHost, requireClaim } from '../store/hostStore.ts';
import type { Written } from '../store/machineStatus.ts';
import { writeProgress } from '../store/refusedWrites.ts';
import { specOfClaim } from '../claim/plan.ts';
import { switchOff, switchOn } from '../bmc/power.ts';
import { REACHABLE, seenOnUntil, reportingReachability, reportReachability } from '../bmc/reachability.ts';
import { BMC_ACTIVITY_MS, TOKEN_GRACE_MS } from '../../model/deadlines.ts';

/** Input of `prepareBoot` and `bootInspector`: the claim whose server boots, and the run that reports it. */
export interface BootInput {
  readonly claim: ClaimRef;
  readonly run: RunContext;
}

/** The server was confirmed on. */
export interface BootResult extends Written {
  /** RFC 3339: when the wait for the report ends. */
  readonly inspectionDeadline: string;
}

/**
 * Makes sure that the server of a claim is off before it is armed: a server that is on and not armed is not ours (rule
 * 5). Only in stage `Claimed`; an armed claim is left alone.
 */
export function prepareBoot(
  deps: Dependencies,
  input: BootInput,
  signal: AbortSignal,
  limitMs = BMC_ACTIVITY_MS,
): Promise<void> {
  return reportingReachability(deps, input.claim, signal, () => seeOff(deps, input, signal, limitMs));
}

async function seeOff(deps: Dependencies, input: BootInput, signal: AbortSignal, limitMs: number): Promise<void> {
  const found = await hostForClaim(deps, input.claim, signal);
  const { host, claim } = requireClaim(found, input.claim, ['Claimed', 'Armed']);
  if (claim.stage === 'Armed') return;
  refusePaused(host);
  const late = { message: lateMessage(input.claim, 'off'), kind: 'PowerOffNotSeen' };
  const calls = new BmcCalls(deps.kube, { ...input.claim, limitMs });
  try {
    await calls.during(() =>
      withinMs(limitMs, signal, late, async (limited) => {
        const bmc = await connectBmc(deps, host);
        const accepted = await acceptServer(deps, host, bmc, limited);
        const options = claimFence(deps, calls, input.claim, accepted, ['Claimed'], limited);
        await switchOff(bmc, input.claim.host, options);
      }),
    );
  } catch (error) {
    // Also of what failed before the first call, such as an address that may not be connected to.
    if (!isClaimLost(error) || signal.aborted) throw fromRedfish(error, input.claim.host);
    // What was read first may have been the cache's: an earlier bootInspector may have armed it since, and then it is
    // ours.
    const live = await readHost(deps.kube, input.claim.namespace, input.claim.host, signal);
    if (requireClaim(live, input.claim, ['Claimed', 'Armed']).claim.stage !== 'Armed') throw error;
    return;
  }
  // The permit may take its time, and an outage is over now.
  const before = findCondition(host.status?.conditions, CONDITIONS.redfishReachable);
  if (before?.status !== 'True') await reportReachability(deps, input.claim, REACHABLE, signal);
}

function lateMessage({ host }: ClaimRef, state: 'off' | 'on'): string {
  return `the server of host ${host} was not confirmed ${state} within ${BMC_ACTIVITY_MS / 1000} s: its BMC is slow, or does not do what it accepts`;
}

/**
 * Arms the claim, sets PXE once, switches on and sees on (rule 5), then tells host and machine. Can run twice: what is
 * armed is not armed again, a server that is on and armed for this claim is ours and gets nothing.
 */
export function bootInspector(
  deps: Dependencies,
  input: BootInput,
  signal: AbortSignal,
  limitMs = BMC_ACTIVITY_MS,
): Promise<BootResult> {
  return reportingReachability(deps, input.claim, signal, () => armAndBoot(deps, input, signal, limitMs));
}

async function armAndBoot(
  deps: Dependencies,
  input: BootInput,
  signal: AbortSignal,
  limitMs: number,
): Promise<BootResult> {
  const { claim: ref } = input;
  const { host, claim } = requireClaim(await hostForClaim(deps, ref, signal), ref, ['Claimed', 'Armed']);
  const inspectionDeadline = seenOnUntil(host, ref);
  if (inspectionDeadline !== undefined) return { inspectionDeadline };
  refusePaused(host);
  const late = { message: lateMessage(ref, 'on'), kind: 'PowerOnNotSeen' };
  const calls = new BmcCalls(deps.kube, { ...ref, limitMs });
  const armed = await calls.during(() =>
    withinMs(limitMs, signal, late, async (limited) => {
      try {
        return await seeOn(deps, calls, ref, host, claim, limited);
      } catch (error) {
        throw fromRedfish(error, ref.host);
      }
    }),
  );
  return recordBoot(deps, input, calls.latest ?? armed);
}

/** Arms a server that is off, and switches it on; gives the host as it was armed. */
async function seeOn(
  deps: Dependencies,
  calls: BmcCalls,
  ref: ClaimRef,
  start: PhysicalHost,
  claim: Claimed | Armed,
  signal: AbortSignal,
): Promise<PhysicalHost> {
  const bmc = await connectBmc(deps, start);
  let host = await acceptServer(deps, start, bmc, signal);
  const options = bootFence(deps, calls, ref, host, signal);
  const power = await bmc.getPowerState({ signal, ...(options.identify ? { identify: options.identify } : {}) });
  if (claim.stage === 'Claimed')
    host =
      power === 'Off' ? await armHost(deps, calls, ref, host, claim) : await armedMeanwhile(deps, ref, power, signal);
  if (power === 'On') return host;
  await switchOn(bmc, ref.host, options);
  if (bmc.isBootModeRefused) {
    const message = `The BMC refuses the boot mode ${start.spec.bootMode ?? ''} of spec.bootMode: the server boots in its own. Change it in its firmware settings, or leave spec.bootMode out.`;
    deps.recorder.event(host, 'Warning', 'BootModeRefused', message);
  }
  return host;
}

/**
 * A server that is on and not armed is not ours (rule 5). But the cache may be behind: an earlier attempt may have
 * armed and switched on.
 */
async function armedMeanwhile(
  deps: Dependencies,
  ref: ClaimRef,
  power: PowerState,
  signal: AbortSignal,
): Promise<PhysicalHost> {
  const live = await readHost(deps.kube, ref.namespace, ref.host, signal);
  const { host, claim } = requireClaim(live, ref, ['Claimed', 'Armed']);
  if (claim.stage === 'Armed') return host;
  const message =
    power === 'On'
      ? `host ${ref.host} was powered on by someone else before it was armed`
      : `power-off of host ${ref.host} was confirmed, but its BMC reports ${power} now: it is not armed before it is off`;
  throw bmcFailure(message, 'NotOff');
}

/**
 * In stage Armed, until the server was seen on for this claim: after that an older attempt that goes on late has
 * nothing to do here.
 */
function bootFence(deps: Dependencies, calls: BmcCalls, ref: ClaimRef, start: PhysicalHost, signal: AbortSignal) {
  return claimFence(deps, calls, ref, start, ['Armed'], signal, (host) => {
    if (seenOnUntil(host, ref) === undefined) return;
    throw retryable(`host ${ref.host} was confirmed on for this claim already: nothing more is sent to its BMC`);
  });
}

/**
 * Secret first, then one write that arms: the stage, with the name of the Secret and the hashes of token and nonce
 * (rule 21), and that calls to the BMC begin.
 */
async function armHost(
  deps: Dependencies,
  calls: BmcCalls,
  ref: ClaimRef,
  host: PhysicalHost,
  claim: Claimed,
): Promise<PhysicalHost> {
  const minted = await mintBootSecret(
    deps.kube,
    host,
    claim.id,
    bootSpecOf(await specOfClaim(deps, ref, claim), ref.machine.name),
  );
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  const dropUnless = (named: string | undefined) =>
    named === minted.bootSecret ? undefined : deps.kube.delete(SECRETS, key.namespace, minted.bootSecret);
  let named: string | undefined;
  let isArmed = false;
  try {
    const armed = await patchHost(
      deps.kube,
      key,
      (live) => {
        const known = claimOf(live);
        named = known?.id === claim.id ? known.bootSecret : undefined;
        const now = claimIn(live, 'Claimed', 'Armed');
        if (now?.id !== claim.id)
          throw claimLost(`host ${key.namespace}/${key.host}: the claim ended before the server was armed`);
        isArmed = false;
        if (now.stage === 'Armed') return undefined;
        isArmed = true;
        const annotations = { [ANNOTATION_CLAIM]: serializeClaim(arm(now, minted)), ...calls.begin(live) };
        return { metadata: { annotations } };
      },
      host,
    );
    if (isArmed) calls.note(armed);
    // Another attempt may have armed it with a Secret of its own.
    await dropUnless(claimOf(armed)?.bootSecret);
    return armed;
  } catch (error) {
    // The outcome of any other write is not known: the claim may name the Secret, and then its release deletes it.
    if (isClaimLost(error)) await dropUnless(named);
    throw error;
  }
}

/** State Inspecting with the deadline, counted from the moment at which the server was seen on. */
async function recordBoot(deps: Dependencies, input: BootInput, armed: PhysicalHost): Promise<BootResult> {
  const { claim: ref, run } = input;
  const seenOn = Date.now();
  const deadline = new Date(seenOn + deps.options.inspectionTimeoutMs).toISOString();
  const host = await patchHostStatus(
    deps.kube,
    ref,
    (live) => {
      const { claim } = requireClaim(live, ref, ['Armed']);
      const current = live.status?.inspection?.claim === ref.id ? live.status.inspection : undefined;
      if (current?.deadline !== undefined) return undefined;
      const hasReport = current?.reportDigest !== undefined;
      const isInProgress = current !== undefined && live.status?.inspectionPhase === 'InProgress';
      const ready = {
        type: CONDITIONS.ready,
        status: 'True' as const,
        reason: HOST_REASONS.inspecting,
        message: `Boots the inspection image for Beskar7Machine ${ref.machine.name}; waits for its report until ${deadline}.`,
      };
      return {
        state: 'Inspecting',
        powerState: 'On',
        ...(hasReport || isInProgress ? {} : { inspectionPhase: 'Booting' as const }),
        inspection: { ...current, claim: ref.id, deadline, poweredOnAt: new Date(seenOn).toISOString() },
        bootToken: {
          hash: claim.tokenHash,
          nonceHash: claim.nonceHash,
          claim: ref.id,
          expiresAt: new Date(Date.parse(deadline) + TOKEN_GRACE_MS).toISOString(),
        },
        conditions: withConditions(
          live.status?.conditions,
          [ready, REACHABLE],
          new Date().toISOString(),
          live.metadata.generation,
        ),
      };
    },
    armed,
  );
  const inspectionDeadline = host.status?.inspection?.deadline ?? deadline;
  deps.recorder.event(host, 'Normal', 'InspectionStarted', `Inspection started for Beskar7Machine ${ref.machine.name}`);
  const written = await writeProgress(deps, run, {
    phase: 'Inspecting',
    reason: MACHINE_REASONS.waitingForInspection,
    message: `Host ${ref.host} boots the inspection image; its report is due until ${inspectionDeadline}.`,
    host: ref.host,
  });
  return { inspectionDeadline, ...written };
}
