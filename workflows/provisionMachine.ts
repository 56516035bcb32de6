import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  continueAsNew,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { ClaimHostResult } from '../activities/claim/claimHost.ts';
import type { ClaimState, RunContext } from '../contracts/claimRef.ts';
import type { ReportProgressInput } from '../activities/provision/endRun.ts';
import type { Plan } from '../activities/claim/plan.ts';
import { MAX_ATTEMPT_TEXT, MAX_ATTEMPTS, withAttempts } from '../crds/attempts.ts';
import type { MachineReason } from '../crds/reasons.ts';
import { CurrentDetails } from './details.ts';
import { SignalInbox } from './signalInbox.ts';
import { sortFailure } from './failure.ts';
import { Inbox } from './inbox.ts';
import type { MachineInput } from '../contracts/names.ts';
import { kubernetes } from './proxies.ts';
import { readMachineInput } from './readMessages.ts';
import type { NotProvisioned } from './claimEnd.ts';
import { runClaim } from './runClaim.ts';
import { ProgressReporter } from './progressReporter.ts';

/** Type of the failure with which a run ends that did not provision its machine; the reason is in its details. */
const PROVISIONING_FAILED = 'ProvisioningFailed';

/**
 * Provisions one machine, from the claim of a host to the hand-over. Ends completed (a sentence for the operator),
 * cancelled, or failed with `ProvisioningFailed`; in each case the machine's phase and conditions say so, and the host
 * is released or being released.
 */
export async function provisionMachine(given: MachineInput): Promise<string> {
  const { workflowId, runId } = workflowInfo();
  const input = readMachineInput(given);
  const details = new CurrentDetails();
  const inbox = new Inbox(details);
  const signals = new SignalInbox(inbox);
  const reporter = new ProgressReporter(input, details, inbox);
  let run: RunContext = { machine: input, workflow: { id: workflowId, runID: runId } };
  const tried: string[] = [];
  const update = (written: Partial<RunContext>) => void (run = { ...run, ...written });
  let plan: Plan | undefined;
  for (let attempt = 1; ; attempt += 1) {
    reporter.report('Claiming', { attempt, waitingFor: 'a host that fits' });
    const got = await waitForHost({ attempt, tried, plan, signals, run: () => run, update, reporter });
    if (got.kind === 'notDue') return got.message;
    if (got.kind === 'cancelled') {
      const end = cancelledBeforeClaim();
      reporter.report('Failed', { attempt, why: whyOf(end) });
      return endRun(run, plan, end);
    }
    plan = got.plan;
    // Attempts of the earlier run that made the claim count (rule 12).
    attempt = Math.max(attempt, got.claim.attempt);
    tried.push(...(got.claim.tried ?? []).filter((host) => !tried.includes(host)), got.claim.ref.host);
    const work = { claim: got.claim, plan, signals, reporter, attempt, run: () => run, update };
    let end = await runClaim(work);
    if (end.kind === 'continued') {
      // A cancel is not repeated in the next history: it is carried out here.
      if (!CancellationScope.current().consideredCancelled) return continueAsNew<typeof provisionMachine>(input);
      end = await runClaim(work);
    }
    if (end.kind === 'continued') throw ApplicationFailure.nonRetryable('a cancelled claim cannot be continued');
    if (end.kind === 'provisioned') {
      reporter.report('Provisioned', { attempt, host: got.claim.ref.host });
      return `machine ${input.namespace}/${input.name} was provisioned on host ${got.claim.ref.host}`;
    }
    if (end.kind === 'failed' && end.mayTryAnotherHost && attempt < plan.attempts) {
      const summary = `Attempt ${attempt} of ${plan.attempts} failed`;
      const text = bounded(`${summary} (${end.reason}): ${end.message}`);
      update({ earlierAttempts: [...(run.earlierAttempts ?? []), text].slice(-MAX_ATTEMPTS) });
      update(await reportRetry(run, `${summary}: ${end.reason}`, { reason: end.reason, message: text }));
      continue;
    }
    reporter.report('Failed', { attempt, host: got.claim.ref.host, why: whyOf(end) });
    return endRun(run, plan, end, got.claim);
  }
}

/** Everything that a run without success still has to write, then its own end. */
async function endRun(
  run: RunContext,
  plan: Plan | undefined,
  end: NotProvisioned,
  claim?: ClaimState,
): Promise<never> {
  await CancellationScope.nonCancellable(() =>
    kubernetes.failMachine.executeWithOptions({ summary: `Phase Failed: ${end.reason}` }, [
      {
        run,
        outcome: end.kind === 'cancelled' ? 'Cancelled' : 'Failed',
        reason: end.reason,
        message: end.message,
        ...(plan ? { plan } : {}),
        ...(claim ? { host: claim.ref.host } : {}),
      },
    ]),
  );
  if (end.kind === 'cancelled') throw new CancelledFailure(end.message);
  throw ApplicationFailure.create({
    type: PROVISIONING_FAILED,
    nonRetryable: true,
    message: end.message,
    details: [{ reason: end.reason }],
  });
}

function whyOf({ reason, message }: NotProvisioned): string {
  return `${reason}: ${message}`;
}

interface Wait {
  readonly attempt: number;
  readonly tried: readonly string[];
  /** What the attempt before was for. */
  readonly plan: Plan | undefined;
  readonly signals: SignalInbox;
  readonly reporter: ProgressReporter;
  run(): RunContext;
  update(written: Partial<RunContext>): void;
}

/** Claims a host; without one it waits for the host watcher's signal, at no cost (rule 15). */
async function waitForHost(
  wait: Wait,
): Promise<Exclude<ClaimHostResult, { kind: 'noMatchingHost' | 'claimRefused' }> | { kind: 'cancelled' }> {
  const { signals, attempt } = wait;
  const root = CancellationScope.current();
  const { runId, originalExecutionRunId } = workflowInfo();
  const isReset = runId !== originalExecutionRunId;
  const planned = wait.plan && { imageHash: wait.plan.imageHash };
  for (;;) {
    // A first attempt may find the claim of an earlier run, which has to be released even then; no new one is made.
    if (attempt > 1 && root.consideredCancelled) return { kind: 'cancelled' };
    const wakes = signals.wakes;
    // Not cancellable: a claim of unknown outcome would have to be searched for.
    const result = await CancellationScope.nonCancellable(() =>
      kubernetes.claimHost.executeWithOptions({ summary: 'Claims a host that fits' }, [
        { run: wait.run(), attempt, tried: wait.tried, ...planned, isReset, isCancelled: root.consideredCancelled },
      ]),
    ).catch((error: unknown) => {
      // A host that vanished while it was being claimed is no reason to end: another one is looked for.
      if (sortFailure(error).kind === 'claimLost') return undefined;
      throw error;
    });
    if (result === undefined) {
      await CancellationScope.nonCancellable(() => sleep('1 second', { summary: 'Looks for another host' }));
      continue;
    }
    if (result.kind === 'notDue') return result;
    wait.update(carried(result));
    if (result.kind === 'claimed') return result;
    if (root.consideredCancelled) return { kind: 'cancelled' };
    const why = withAttempts(result.message, wait.run().earlierAttempts);
    wait.reporter.report('Claiming', { attempt, waitingFor: 'a free host that fits', why });
    try {
      await signals.nextWake(wakes, result.kind === 'claimRefused' ? result.retryInMs : undefined);
    } catch {
      return { kind: 'cancelled' };
    }
    // What was tried stands in the machine's status: the next history counts on from there.
    if (signals.isFull()) await continueAsNew<typeof provisionMachine>(wait.run().machine);
  }
}

function carried({ machineVersion, notReadySince, earlierAttempts }: Partial<RunContext>): Partial<RunContext> {
  return {
    ...(earlierAttempts === undefined ? {} : { earlierAttempts }),
    ...(machineVersion === undefined ? {} : { machineVersion }),
    ...(notReadySince === undefined ? {} : { notReadySince }),
  };
}

function cancelledBeforeClaim(): NotProvisioned {
  return {
    kind: 'cancelled',
    reason: 'Cancelled' satisfies MachineReason,
    message:
      'Cancelled while it waited for a host. To try again: change the spec, or set the annotation beskar7.io/retry to a new value.',
  };
}

/** What is kept of a failed attempt for as long as the run continues. */
function bounded(text: string): string {
  return text.length <= MAX_ATTEMPT_TEXT ? text : `${text.slice(0, MAX_ATTEMPT_TEXT - 1)}…`;
}

/**
 * Not cancellable: after a cancel the run still has its end to write. What failed is in the run: the conditions go on
 * to say it.
 */
function reportRetry(run: RunContext, summary: string, failed: NonNullable<ReportProgressInput['failed']>) {
  return CancellationScope.nonCancellable(() =>
    kubernetes.reportProgress.executeWithOptions({ summary }, [
      { run, phase: 'Claiming', reason: 'RetryingOnAnotherHost', message: 'Another host is tried.', failed },
    ]),
  );
}
