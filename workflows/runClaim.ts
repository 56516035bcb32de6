import { CancellationScope, sleep, workflowInfo } from '@temporalio/workflow';
import type { ClaimState } from '../contracts/claimRef.ts';
import { mayTryAnotherHost } from '../crds/attempts.ts';
import { MACHINE_REASONS } from '../crds/reasons.ts';
import { unmetRequirements, type HardwareSummary } from '../model/requirements.ts';
import { boot, clearNetworkBoot } from './boot.ts';
import { failed, type ClaimEnd, type ClaimRun, type NotProvisioned } from './claimEnd.ts';
import { sortFailure } from './failure.ts';
import { kubernetes } from './proxies.ts';
import { release } from './release.ts';
import { RELEASE_AWAITED_MS } from '../model/deadlines.ts';

/**
 * Boots, inspects, validates and hands over on one claimed host. The compensation (release) stands before the first
 * step: it runs on every end but success and a lost claim. On a cancel the stage `Releasing` is written first, so that
 * no call passes its fence any more, then the running activity is cancelled and awaited (rule 4).
 */
export async function runClaim(context: ClaimRun): Promise<ClaimEnd> {
  const { claim } = context;
  const root = CancellationScope.current();
  return CancellationScope.nonCancellable(async () => {
    if (claim.stage === 'Releasing') return compensate(context, recordedEnd(context));
    if (root.consideredCancelled) return compensate(context, cancelledEnd(claim));
    const work = new CancellationScope();
    const done = work.run(() => steps(context)).catch((error: unknown) => endOf(error));
    const cancelled = root.cancelRequested.then(
      () => 'cancelled' as const,
      () => 'cancelled' as const,
    );
    const first = await Promise.race([done, cancelled]);
    if (first !== 'cancelled') return isCompensated(first) ? compensate(context, first) : first;
    const isMarked = await markCancelled(context);
    work.cancel();
    const end = await done;
    // A hand-over that was quicker than the cancel stands.
    if (end.kind === 'provisioned' || (!isMarked && (await isHandedOver(context)))) return { kind: 'provisioned' };
    return compensate(context, cancelledEnd(claim), isMarked);
  });
}

function isCompensated(end: ClaimEnd): end is NotProvisioned {
  return end.kind === 'failed' || end.kind === 'cancelled';
}

function cancelledEnd({ ref }: ClaimState): Extract<ClaimEnd, { kind: 'cancelled' }> {
  const message = `Cancelled on host ${ref.host}. To try again: change the spec, or set the annotation beskar7.io/retry to a new value.`;
  return { kind: 'cancelled', reason: 'Cancelled', message };
}

/** How a run is about to end, as it stands in the claim. */
function claimReason(end: NotProvisioned): string {
  return `${end.reason}: ${end.message}`.slice(0, 500);
}

/** How the earlier run was about to end, as it wrote it into the claim: `<reason>: <message>` (rule 12). */
function recordedEnd({ claim, plan, attempt }: ClaimRun): NotProvisioned {
  const [word = '', ...rest] = (claim.reason ?? '').split(': ');
  const message = rest.join(': ') || `The release of host ${claim.ref.host} was begun by an earlier run.`;
  if (word === MACHINE_REASONS.cancelled) return { kind: 'cancelled', reason: 'Cancelled', message };
  const known = Object.values(MACHINE_REASONS).find((reason) => reason === word);
  // As the run would have gone on that began the release.
  const mayTryOn = attempt < plan.attempts && mayTryAnotherHost(word);
  return failed(known ?? 'UnexpectedError', message, mayTryOn);
}

/** False when the claim cannot be cancelled any more: it was handed over a moment ago, or lost. */
async function markCancelled({ claim }: ClaimRun): Promise<boolean> {
  try {
    await kubernetes.markReleasing.executeWithOptions(
      { summary: `Cancelled: no call to host ${claim.ref.host} passes any more` },
      [
        {
          claim: claim.ref,
          reason: claimReason(cancelledEnd(claim)),
          stages: ['Claimed', 'Armed'],
        },
      ],
    );
    return true;
  } catch (error) {
    if (sortFailure(error).kind !== 'claimLost') throw error;
    return false;
  }
}

/** Finishes a hand-over whose activity was cancelled between its two writes; false when there was none. */
async function isHandedOver(context: ClaimRun): Promise<boolean> {
  try {
    return (await settle(context)).kind === 'provisioned';
  } catch (error) {
    if (sortFailure(error).kind !== 'claimLost') throw error;
    return false;
  }
}

function settle({ claim, run, plan }: ClaimRun, timedOut?: string) {
  const startedAt = workflowInfo().startTime.toISOString();
  return kubernetes.settleHandover.executeWithOptions({ summary: `Hands ${claim.ref.host} over` }, [
    { claim: claim.ref, run: run(), plan, startedAt, ...(timedOut === undefined ? {} : { timedOut }) },
  ]);
}

async function compensate(context: ClaimRun, end: NotProvisioned, isMarked = false): Promise<ClaimEnd> {
  if (end.kind === 'failed' && end.reason === 'ClaimLost') return end;
  const { claim, signals } = context;
  try {
    const result = await release({
      claim: claim.ref,
      reason: claimReason(end),
      stages: ['Claimed', 'Armed'],
      signals,
      isMarked,
      limitMs: RELEASE_AWAITED_MS,
    });
    if (result === 'released') return end;
    const more = ` Host ${claim.ref.host} is not released yet: release/${claim.ref.namespace}/${claim.ref.host} continues.`;
    return { ...end, message: end.message + more };
  } catch (error) {
    const lost = sortFailure(error);
    if (lost.kind !== 'claimLost') throw error;
    return end.kind === 'cancelled' ? end : failed('ClaimLost', lost.message);
  }
}

function endOf(error: unknown): ClaimEnd {
  const sorted = sortFailure(error);
  switch (sorted.kind) {
    case 'claimLost':
      return failed('ClaimLost', sorted.message);
    case 'cancelled':
      return { kind: 'cancelled', reason: 'Cancelled', message: 'Cancelled.' };
    case 'differentServer':
    case 'permanent':
    case 'failed':
    // Its release is refused as well, and ends the run.
    case 'otherInstallation':
    case 'shutdown':
    case 'noWorker':
    case 'unconfirmed':
      return failed('UnexpectedError', sorted.message);
  }
}

async function steps(context: ClaimRun): Promise<ClaimEnd> {
  const booted = await boot(context);
  if (booted.kind === 'failed') return booted;
  const inspected = await inspect(context, booted.inspectionDeadline);
  if (inspected.kind !== 'inspected') return inspected;
  const unmet = unmetRequirements(context.plan.requirements, inspected.hardware);
  if (unmet.length > 0) {
    const host = context.claim.ref.host;
    return failed(
      'HardwareRequirementsNotMet',
      `Host ${host} does not meet hardwareRequirements: ${unmet.join('; ')}.`,
    );
  }
  await clearNetworkBoot(context);
  return handOver(context, inspected.seen);
}

/** What a timeout says where the API server refused to have it written on the host. */
function notWritten(refusal: string | undefined): string {
  return refusal === undefined ? '' : ` The host could not be written: ${refusal}.`;
}

type Inspected = {
  readonly kind: 'inspected';
  readonly hardware: HardwareSummary;
  /** How many facts had come in before the report was read: later ones are still to be looked at. */
  readonly seen: number;
};

/** How far the server came tells whether to look at its network or at its console. */
function noReport(host: string, deadline: string, wasScriptFetched: boolean | undefined): string {
  const soFar =
    wasScriptFetched === undefined
      ? ''
      : wasScriptFetched
        ? ' It fetched its boot script: look at its console, and whether it reaches the callback URL.'
        : ' It did not fetch its boot script either: look at its DHCP and TFTP, and whether it reaches the boot listener (docs/boot.md).';
  return `Host ${host} sent no inspection report until ${deadline}.${soFar}`;
}

async function inspect(
  context: ClaimRun,
  deadline: string,
): Promise<Inspected | Extract<ClaimEnd, { kind: 'failed' | 'continued' }>> {
  const { claim, signals, reporter, run, update, attempt } = context;
  const { ref } = claim;
  // An adopted claim may have its report already, signalled to an earlier run: it is read before it is waited for.
  let isFirst = claim.isAdopted;
  let seen = 0;
  for (;;) {
    const leftMs = Date.parse(deadline) - Date.now();
    const wait = isFirst ? 'signalled' : await signals.next(ref.id, seen, leftMs, 'Inspection timeout');
    if (wait === 'full') return { kind: 'continued' };
    seen = signals.of(ref.id);
    isFirst = false;
    const result = await kubernetes.takeReport.executeWithOptions({ summary: `Takes the report of ${ref.host}` }, [
      { claim: ref, run: run(), timedOut: wait === 'timedOut' },
    ]);
    switch (result.kind) {
      case 'reported': {
        const { hardware, machineVersion, notReadySince } = result;
        update({ ...(machineVersion ? { machineVersion } : {}), ...(notReadySince ? { notReadySince } : {}) });
        reporter.report('Validating', { attempt, host: ref.host, claim: ref.id });
        return { kind: 'inspected', hardware, seen };
      }
      case 'failed':
        return failed('ProvisionFailed', `The inspection image on host ${ref.host} gave up: ${result.reason}.`);
      case 'timedOut': {
        const message = noReport(ref.host, deadline, result.wasScriptFetched) + notWritten(result.refusal);
        return failed('InspectionTimeout', message);
      }
      case 'waiting':
        break;
    }
  }
}

/** A handed-over server gets no request (rule 3): what may still arrive at its BMC comes first. */
async function openProvisioning({ claim: { ref }, run, plan }: ClaimRun) {
  for (;;) {
    const opened = await kubernetes.openProvisioning.executeWithOptions(
      { summary: `Lets ${ref.host} fetch its bootstrap data` },
      [{ claim: ref, run: run(), plan }],
    );
    if (!('inFlightUntil' in opened)) return opened;
    const leftMs = Math.max(1_000, Date.parse(opened.inFlightUntil) - Date.now());
    await sleep(leftMs, { summary: `Until nothing can arrive at the BMC of ${ref.host} any more` });
  }
}

async function handOver(context: ClaimRun, factsSeen: number): Promise<ClaimEnd> {
  const { claim, plan, signals, reporter, update, attempt } = context;
  const { ref } = claim;
  let seen = factsSeen;
  const opened = await openProvisioning(context);
  const { deadline, ...written } = opened;
  update(written);
  const waitingFor =
    plan.readyWhen === 'OSReported' ? 'the final OS to report in' : 'the inspection image to hand over';
  reporter.report('Provisioning', { attempt, host: ref.host, claim: ref.id, waitingFor, deadline });
  let isFirst = claim.isAdopted;
  for (;;) {
    const leftMs = Date.parse(deadline) - Date.now();
    const wait = isFirst ? 'signalled' : await signals.next(ref.id, seen, leftMs, 'Provisioning timeout');
    if (wait === 'full') return { kind: 'continued' };
    const isSignalled = wait === 'signalled';
    isFirst = false;
    seen = signals.of(ref.id);
    const late = failed(
      'ProvisioningTimeout',
      `Host ${ref.host} did not hand over until ${deadline} (waited for ${waitingFor}).`,
    );
    const result = await settle(context, isSignalled ? undefined : claimReason(late));
    if (result.kind === 'provisioned') return { kind: 'provisioned' };
    if (result.kind === 'failed') {
      return failed('ProvisionFailed', `The inspection image on host ${ref.host} gave up: ${result.reason}.`);
    }
    if (result.kind === 'timedOut') return { ...late, message: late.message + notWritten(result.refusal) };
    if (!isSignalled) return late;
  }
}
