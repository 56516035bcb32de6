import { ApplicationFailure, isCancellation, sleep } from '@temporalio/workflow';
import { failed, type ClaimEnd, type ClaimRun } from './claimEnd.ts';
import { attemptBmc, BACKOFF } from './bmcAttempt.ts';
import { sortFailure } from './failure.ts';
import { bmcActivities, kubernetes, permits } from './proxies.ts';

/** A call that no worker picked up goes into its queue again almost at once: the first worker of the pool takes it. */
const UNSERVED_MS = 1_000;

type Booted = { readonly kind: 'booted'; readonly inspectionDeadline: string };

/**
 * Off, confirmed off, permit, armed, PXE once, On, confirmed on (rule 5); tried again until the boot deadline of the
 * claim.
 */
export async function boot(context: ClaimRun): Promise<Booted | Extract<ClaimEnd, { kind: 'failed' }>> {
  const { claim, reporter, attempt } = context;
  const { ref } = claim;
  const deadline = Date.parse(claim.bootDeadline);
  if (claim.inspectionDeadline !== undefined) return reportBooted(context, claim.inspectionDeadline);
  for (let tries = 1; ; tries += 1) {
    reporter.report('Claiming', {
      attempt,
      host: ref.host,
      claim: ref.id,
      waitingFor: 'the server to be seen off, then on',
      deadline: claim.bootDeadline,
    });
    const booted = await attemptBmc(() => bootOnce(context, deadline), BACKOFF.boot, tries);
    if (booted.kind === 'done') return booted.result;
    if (booted.kind === 'claimLost') throw booted.error;
    // Nothing was sent, and only a person can say which server it is: another host is tried meanwhile.
    if (booted.kind === 'failed' && booted.cause === 'differentServer')
      return failed('DifferentServer', `${booted.message}.`);
    if (booted.kind === 'failed' && booted.cause === 'permanent')
      return failed('InvalidBootConfiguration', booted.message);
    const waitMs = booted.kind === 'noWorker' ? UNSERVED_MS : booted.waitMs;
    if (Date.now() + waitMs >= deadline) {
      return failed('BootFailed', `Host ${ref.host} was not booted until ${claim.bootDeadline}: ${booted.message}.`);
    }
    if (booted.kind === 'noWorker') await reportUnserved(context);
    else if (waitMs > 0) await reportBootRetry(context, tries, booted.message, waitMs);
    if (waitMs > 0)
      await sleep(waitMs, { summary: `Next attempt to boot ${ref.host}: ${booted.message}`.slice(0, 200) });
  }
}

async function bootOnce(context: ClaimRun, deadline: number): Promise<Booted> {
  const { claim, run, update } = context;
  const { ref } = claim;
  const calls = bmcActivities(ref.pool);
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
  return reportBooted(context, inspectionDeadline);
}

function reportBooted({ claim, reporter, attempt }: ClaimRun, inspectionDeadline: string): Booted {
  reporter.report('Inspecting', {
    attempt,
    host: claim.ref.host,
    claim: claim.ref.id,
    waitingFor: 'the report of the inspection image',
    deadline: inspectionDeadline,
  });
  return { kind: 'booted', inspectionDeadline };
}

/** Said on the machine at once, and not only when its time is over. */
async function reportUnserved({ claim, run, update }: ClaimRun): Promise<void> {
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
          `It continues as soon as one takes it, until ${claim.bootDeadline} at most.`,
      },
    ],
  );
  update(written);
}

async function reportBootRetry(context: ClaimRun, tries: number, message: string, delayMs: number): Promise<void> {
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
}

/** Where each worker that takes it is stopped at once. */
const CLEAR_TRIES = 3;

/**
 * Once the report is there: a BMC that does not consume the network boot would boot the node from the network at each
 * restart. Best effort: the host says what was left. What may still arrive of it stands on the host, and holds the
 * hand-over (`openProvisioning`).
 */
export async function clearNetworkBoot({ claim: { ref } }: ClaimRun): Promise<void> {
  const summary = `Looks whether the network boot of ${ref.host} is used up`;
  for (let tries = 1; ; tries += 1) {
    try {
      await bmcActivities(ref.pool).clearNetworkBoot.executeWithOptions({ summary }, [{ claim: ref }]);
      return;
    } catch (error) {
      const { kind } = sortFailure(error);
      if (kind === 'cancelled' || kind === 'claimLost') throw error;
      if (kind !== 'shutdown' || tries >= CLEAR_TRIES) return;
    }
  }
}
