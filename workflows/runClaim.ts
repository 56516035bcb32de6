import { ApplicationFailure, CancellationScope, isCancellation, sleep, workflowInfo } from '@temporalio/workflow';
import type { Plan } from '../activities/claimHost.ts';
import type { ClaimState, RunContext } from '../activities/claimRef.ts';
import { MACHINE_REASONS, type MachineReason } from '../crds/reasons.ts';
import { unmetRequirements, type HardwareSummary } from '../crds/requirements.ts';
import type { Facts } from './facts.ts';
import { mayHaveLanded, sortFailure } from './failure.ts';
import { bmcOrTell, kubernetes, permits } from './proxies.ts';
import { releaseHere } from './release.ts';
import type { Story } from './story.ts';

/** How the work on one claim ended. Unless provisioned, the host has been released, or its release goes on elsewhere. */
export type ClaimEnd =
  | { readonly kind: 'provisioned' }
  | {
      readonly kind: 'failed';
      readonly reason: MachineReason;
      readonly message: string;
      readonly mayTryAnotherHost: boolean;
    }
  | { readonly kind: 'cancelled'; readonly reason: MachineReason; readonly message: string };

export interface ClaimRun {
  readonly claim: ClaimState;
  readonly plan: Plan;
  readonly facts: Facts;
  readonly story: Story;
  readonly attempt: number;
  run(): RunContext;
  update(written: Partial<RunContext>): void;
}

/** Set when an activity on the BMC did not confirm its end. */
interface Watch {
  isUnconfirmed: boolean;
}

/**
 * Boots, inspects, validates and hands over on one claimed host. The compensation (release) stands before the first step: it runs
 * on every end but success and a lost claim. On a cancel the stage `Releasing` is written first, so that no call passes its fence
 * any more, then the running activity is cancelled and awaited (rule 4).
 */
export async function runClaim(context: ClaimRun): Promise<ClaimEnd> {
  const { claim } = context;
  const root = CancellationScope.current();
  return CancellationScope.nonCancellable(async () => {
    const watch: Watch = { isUnconfirmed: claim.isAdopted };
    if (claim.stage === 'Releasing') return compensate(context, watch, recordedEnd(claim));
    if (root.consideredCancelled) return compensate(context, watch, cancelledEnd(claim));
    const work = new CancellationScope();
    const done = work.run(() => steps(context, watch)).catch((error: unknown) => endOf(error));
    const cancelled = root.cancelRequested.then(
      () => 'cancelled' as const,
      () => 'cancelled' as const,
    );
    const first = await Promise.race([done, cancelled]);
    if (first !== 'cancelled') return first.kind === 'provisioned' ? first : compensate(context, watch, first);
    const isMarked = await markCancelled(context);
    work.cancel();
    const end = await done;
    // A hand-over that was quicker than the cancel stands.
    if (end.kind === 'provisioned' || (!isMarked && (await isHandedOver(context)))) return { kind: 'provisioned' };
    return compensate(context, watch, cancelledEnd(claim));
  });
}

function cancelledEnd({ ref }: ClaimState): Extract<ClaimEnd, { kind: 'cancelled' }> {
  const message = `Cancelled on host ${ref.host}. To try again: change the spec, or set the annotation beskar7.io/retry to a new value.`;
  return { kind: 'cancelled', reason: 'Cancelled', message };
}

/** How a run is about to end, as it stands in the claim. */
function claimReason(end: Exclude<ClaimEnd, { kind: 'provisioned' }>): string {
  return `${end.reason}: ${end.message}`.slice(0, 500);
}

/** How the earlier run was about to end, as it wrote it into the claim: `<reason>: <message>` (rule 12). */
function recordedEnd(claim: ClaimState): Exclude<ClaimEnd, { kind: 'provisioned' }> {
  const [word = '', ...rest] = (claim.reason ?? '').split(': ');
  const message = rest.join(': ') || `The release of host ${claim.ref.host} was begun by an earlier run.`;
  if (word === MACHINE_REASONS.cancelled) return { kind: 'cancelled', reason: 'Cancelled', message };
  const known = Object.values(MACHINE_REASONS).find((reason) => reason === word);
  return failed(known ?? 'UnexpectedError', message, false);
}

/** False when the claim cannot be cancelled any more: it was handed over a moment ago, or lost. */
async function markCancelled({ claim }: ClaimRun): Promise<boolean> {
  try {
    await kubernetes.markReleasing.executeWithOptions(
      { summary: `Cancelled: no call to host ${claim.ref.host} passes any more` },
      [{ claim: claim.ref, reason: claimReason(cancelledEnd(claim)), stages: ['Claimed', 'Armed'] }],
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

async function compensate(
  context: ClaimRun,
  watch: Watch,
  end: Exclude<ClaimEnd, { kind: 'provisioned' }>,
): Promise<ClaimEnd> {
  if (end.kind === 'failed' && end.reason === 'ClaimLost') return end;
  const { claim } = context;
  try {
    const result = await releaseHere({
      claim: claim.ref,
      reason: claimReason(end),
      stages: ['Claimed', 'Armed'],
      isUnconfirmed: watch.isUnconfirmed,
    });
    if (result === 'released') return end;
    const more = ` Host ${claim.ref.host} is not released yet: release/${claim.ref.namespace}/${claim.ref.host} goes on.`;
    return { ...end, message: end.message + more };
  } catch (error) {
    const lost = sortFailure(error);
    if (lost.kind !== 'claimLost') throw error;
    return end.kind === 'cancelled' ? end : failed('ClaimLost', lost.message, false);
  }
}

function endOf(error: unknown): ClaimEnd {
  const sorted = sortFailure(error);
  switch (sorted.kind) {
    case 'claimLost':
      return failed('ClaimLost', sorted.message, false);
    case 'cancelled':
      return { kind: 'cancelled', reason: 'Cancelled', message: 'Cancelled.' };
    case 'permanent':
    case 'failed':
    case 'shutdown':
    case 'noWorker':
    case 'unconfirmed':
      return failed('UnexpectedError', sorted.message, false);
  }
}

function failed(
  reason: MachineReason,
  message: string,
  mayTryAnotherHost: boolean,
): Extract<ClaimEnd, { kind: 'failed' }> {
  return { kind: 'failed', reason, message, mayTryAnotherHost };
}

async function steps(context: ClaimRun, watch: Watch): Promise<ClaimEnd> {
  const booted = await boot(context, watch);
  if (booted.kind === 'failed') return booted;
  const inspected = await inspect(context, booted.inspectionDeadline);
  if (inspected.kind === 'failed') return inspected;
  const unmet = unmetRequirements(context.plan.requirements, inspected.hardware);
  if (unmet.length > 0) {
    const host = context.claim.ref.host;
    return failed(
      'HardwareRequirementsNotMet',
      `Host ${host} does not meet hardwareRequirements: ${unmet.join('; ')}.`,
      true,
    );
  }
  return handOver(context, inspected.seen);
}

type Booted = { readonly kind: 'booted'; readonly inspectionDeadline: string };

/** Off, seen off, permit, armed, PXE once, On, seen on (rule 5); tried again until the boot deadline of the claim. */
async function boot(context: ClaimRun, watch: Watch): Promise<Booted | Extract<ClaimEnd, { kind: 'failed' }>> {
  const { claim, story, attempt } = context;
  const { ref } = claim;
  const deadline = Date.parse(claim.bootDeadline);
  if (claim.inspectionDeadline !== undefined) return tellBooted(context, claim.inspectionDeadline);
  for (let tries = 1; ; tries += 1) {
    story.tell('Claiming', {
      attempt,
      host: ref.host,
      claim: ref.id,
      waitingFor: 'the server to be seen off, then on',
      deadline: claim.bootDeadline,
    });
    try {
      return await bootOnce(context, deadline);
    } catch (error) {
      const sorted = sortFailure(error);
      // Also of a call that a cancel has cut off on its way.
      if (mayHaveLanded(error)) watch.isUnconfirmed = true;
      if (sorted.kind === 'permanent') return failed('InvalidBootConfiguration', sorted.message, false);
      if (sorted.kind === 'cancelled' || sorted.kind === 'claimLost') throw error;
      // A call that nobody took waits in the queue again: the first worker of the pool takes it at once.
      const isUnserved = sorted.kind === 'noWorker';
      const delayMs =
        sorted.kind === 'shutdown' || isUnserved ? 0 : Math.min(30_000, 1_000 * 2 ** Math.min(tries - 1, 6));
      if (Date.now() + delayMs >= deadline) {
        return failed(
          'BootFailed',
          `Host ${ref.host} was not booted until ${claim.bootDeadline}: ${sorted.message}.`,
          true,
        );
      }
      if (isUnserved) await tellUnserved(context);
      if (delayMs > 0) await waitToBootAgain(context, tries, sorted.message, delayMs);
    }
  }
}

async function bootOnce(context: ClaimRun, deadline: number): Promise<Booted> {
  const { claim, run, update } = context;
  const { ref } = claim;
  const calls = bmcOrTell(ref.pool);
  const scheduleToCloseTimeout = Math.max(1_000, deadline - Date.now());
  await calls.prepareBoot.executeWithOptions({ summary: `Sees ${ref.host} off by Redfish`, scheduleToCloseTimeout }, [
    { claim: ref, run: run() },
  ]);
  await permits.acquirePowerOnPermit
    .executeWithOptions({ summary: 'Waits for its turn to power on', scheduleToCloseTimeout }, [])
    .catch((error: unknown) => {
      if (isCancellation(error)) throw error;
      // Nothing was sent, and no BMC is at fault.
      throw ApplicationFailure.create({
        type: 'NoPermit',
        message:
          `its turn to power on did not come (${sortFailure(error).message}): ` +
          'raise --power-on-rate, or see whether the queue power-on has a worker',
      });
    });
  const booted = await calls.bootInspector.executeWithOptions(
    { summary: `PXE boot of ${ref.host} by Redfish`, scheduleToCloseTimeout },
    [{ claim: ref, run: run() }],
  );
  const { inspectionDeadline, ...written } = booted;
  update(written);
  return tellBooted(context, inspectionDeadline);
}

function tellBooted({ claim, story, attempt }: ClaimRun, inspectionDeadline: string): Booted {
  story.tell('Inspecting', {
    attempt,
    host: claim.ref.host,
    claim: claim.ref.id,
    waitingFor: 'the report of the inspection image',
    deadline: inspectionDeadline,
  });
  return { kind: 'booted', inspectionDeadline };
}

/** Said on the machine at once, and not only when its time is over. */
async function tellUnserved({ claim, run, update }: ClaimRun): Promise<void> {
  const { host, pool } = claim.ref;
  const flag = pool === undefined ? 'without --worker-pool' : `with --worker-pool=${pool}`;
  const written = await kubernetes.reportProgress.executeWithOptions(
    { summary: 'Tells that no worker takes the boot' },
    [
      {
        run: run(),
        claim: claim.ref,
        phase: 'Claiming',
        reason: 'ClaimingHost',
        message:
          `No bmc-worker took the boot of host ${host} for a minute: start one ${flag}, or see why those that run are busy. ` +
          `It goes on as soon as one takes it, until ${claim.bootDeadline} at most.`,
      },
    ],
  );
  update(written);
}

async function waitToBootAgain(context: ClaimRun, tries: number, message: string, delayMs: number): Promise<void> {
  const { claim, run, update } = context;
  const next = new Date(Date.now() + delayMs).toISOString();
  const written = await kubernetes.reportProgress.executeWithOptions({ summary: 'Tells why the boot is tried again' }, [
    {
      run: run(),
      claim: claim.ref,
      phase: 'Claiming',
      reason: 'ClaimingHost',
      message: `Boot of host ${claim.ref.host}, attempt ${tries}, failed: ${message}. Next attempt at ${next}, until ${claim.bootDeadline} at most.`,
    },
  ]);
  update(written);
  await sleep(delayMs, { summary: `Next attempt to boot ${claim.ref.host}: ${message}`.slice(0, 200) });
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
): Promise<Inspected | Extract<ClaimEnd, { kind: 'failed' }>> {
  const { claim, facts, story, run, update, attempt } = context;
  const { ref } = claim;
  // An adopted claim may have its report already, told to an earlier run: it is read before it is waited for.
  let isFirst = claim.isAdopted;
  let seen = 0;
  for (;;) {
    const leftMs = Date.parse(deadline) - Date.now();
    const isTold = isFirst || (await facts.next(ref.id, seen, leftMs, 'Inspection timeout'));
    seen = facts.of(ref.id);
    isFirst = false;
    const result = await kubernetes.takeReport.executeWithOptions({ summary: `Takes the report of ${ref.host}` }, [
      { claim: ref, run: run(), timedOut: !isTold },
    ]);
    switch (result.kind) {
      case 'reported': {
        const { hardware, machineVersion, notReadySince } = result;
        update({ ...(machineVersion ? { machineVersion } : {}), ...(notReadySince ? { notReadySince } : {}) });
        story.tell('Validating', { attempt, host: ref.host, claim: ref.id });
        return { kind: 'inspected', hardware, seen };
      }
      case 'failed':
        return failed('ProvisionFailed', `The inspection image on host ${ref.host} gave up: ${result.reason}.`, true);
      case 'timedOut':
        return failed('InspectionTimeout', noReport(ref.host, deadline, result.wasScriptFetched), true);
      case 'waiting':
        break;
    }
  }
}

async function handOver(context: ClaimRun, factsSeen: number): Promise<ClaimEnd> {
  const { claim, plan, facts, story, run, update, attempt } = context;
  const { ref } = claim;
  let seen = factsSeen;
  const opened = await kubernetes.openProvisioning.executeWithOptions(
    { summary: `Lets ${ref.host} fetch its bootstrap data` },
    [{ claim: ref, run: run(), plan }],
  );
  const { deadline, ...written } = opened;
  update(written);
  const waitingFor =
    plan.readyWhen === 'OSReported' ? 'the final OS to report in' : 'the inspection image to hand over';
  story.tell('Provisioning', { attempt, host: ref.host, claim: ref.id, waitingFor, deadline });
  let isFirst = claim.isAdopted;
  for (;;) {
    const isTold =
      isFirst || (await facts.next(ref.id, seen, Date.parse(deadline) - Date.now(), 'Provisioning timeout'));
    isFirst = false;
    seen = facts.of(ref.id);
    const late = failed(
      'ProvisioningTimeout',
      `Host ${ref.host} did not hand over until ${deadline} (waited for ${waitingFor}).`,
      true,
    );
    const result = await settle(context, isTold ? undefined : claimReason(late));
    if (result.kind === 'provisioned') return { kind: 'provisioned' };
    if (result.kind === 'failed') {
      return failed('ProvisionFailed', `The inspection image on host ${ref.host} gave up: ${result.reason}.`, true);
    }
    // `waiting` here: a worker of an earlier version, which leaves it to the release to end the claim.
    if (!isTold) return late;
  }
}
