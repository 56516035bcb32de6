import { ApplicationFailure } from '@temporalio/common';
import { MACHINE_REASONS } from '../../crds/reasons.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import type { FailureType } from '../failures.ts';
import { readHost, requireClaim } from '../store/hostStore.ts';
import { writeProgress } from '../store/refusedWrites.ts';

/** How often bootstrap data that is due is looked for, in ms. */
const RETRY_MS = 5_000;

/**
 * Tells what the hand-over waits for; gives the failure after which the activity is repeated, or, once the time for the
 * hand-over is over since the report was accepted, the one that ends the run. The bootstrap route stays closed
 * meanwhile: an owned server never gets empty user data.
 */
export async function awaitsBootstrap(
  deps: Dependencies,
  { claim: ref, run }: { readonly claim: ClaimRef; readonly run: RunContext },
  why: string,
): Promise<ApplicationFailure> {
  const live = await readHost(deps.kube, ref.namespace, ref.host);
  const { host } = requireClaim(live, ref, ['Armed']);
  const reportedAt = Date.parse(host.status?.inspectionTimestamp ?? '');
  const until = (Number.isNaN(reportedAt) ? Date.now() : reportedAt) + deps.options.provisioningTimeoutMs;
  const message = `Host ${ref.host} is not handed over without its bootstrap data: ${why}`;
  if (Date.now() >= until)
    return ApplicationFailure.create({
      type: 'InvalidBootConfiguration' satisfies FailureType,
      nonRetryable: true,
      message: `${message}. Waited until ${new Date(until).toISOString()}`,
    });
  await writeProgress(deps, run, {
    phase: 'Validating',
    reason: MACHINE_REASONS.waitingForBootstrapData,
    message: `${message}. It is looked for every ${RETRY_MS / 1_000} s, until ${new Date(until).toISOString()} at most.`,
    host: ref.host,
  });
  const type: FailureType = 'Superseded';
  return ApplicationFailure.create({ type, message, nextRetryDelay: RETRY_MS });
}
