import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { MACHINE_REASONS } from '../../crds/reasons.ts';
import { summarize, type HardwareSummary } from '../../model/requirements.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import { KubeError } from '../../kube/error.ts';
import type { Dependencies } from '../dependencies.ts';
import { isRefusedWrite } from '../failures.ts';
import { hostForClaim, patchHostStatus, readHost, requireClaim } from '../store/hostStore.ts';
import type { Written } from '../store/machineStatus.ts';
import { reportRefusal, writeProgress } from '../store/refusedWrites.ts';

/** Input of `takeReport`, which is called on each signal and when the timer fires. */
export interface TakeReportInput {
  readonly claim: ClaimRef;
  readonly run: RunContext;
  /** The timer has fired: no report means that the inspection has timed out. */
  readonly timedOut: boolean;
}

/** How the inspection stands. `failed`: the inspector gave up, `reason` in its words. `waiting`: no report yet. */
export type TakeReportResult =
  | (Written & { readonly kind: 'reported'; readonly hardware: HardwareSummary })
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'waiting' }
  /** `wasScriptFetched`: whether the server came as far as its boot script; absent: not known any more. */
  | {
      readonly kind: 'timedOut';
      readonly wasScriptFetched?: boolean;
      /** The API server refused to have the timeout written to the host, for this reason. */
      readonly refusal?: string;
    };

/**
 * Reads whether the report of a claim is there (rule 11). When the timer has fired, report against timeout is decided
 * by one compare-and-swap on the host: either the report stands there, or the phase is Timeout and no report is
 * accepted any more.
 */
export async function takeReport(deps: Dependencies, input: TakeReportInput): Promise<TakeReportResult> {
  const { claim: ref, run } = input;
  const found = await patchOrRead(deps, input).catch((error: unknown) => {
    // The deadline holds all the same: nothing is sent to the BMC before the release has written its stage, which is a
    // write to the host too.
    if (input.timedOut && isRefusedWrite(error)) return error;
    throw error;
  });
  if (found instanceof KubeError) {
    const { namespace, host: name } = ref;
    await reportRefusal(deps, { machine: run.machine, host: { namespace, name } }, 'takeReport', found);
    deps.metrics.inspectionFailed('Timeout');
    return { kind: 'timedOut', refusal: found.message };
  }
  const { wasScriptFetched } = found;
  const { host } = requireClaim(found.host, ref, ['Armed']);
  const { inspection, inspectionReport, inspectionPhase, handover } = host.status ?? {};
  if (handover?.claim === ref.id && handover.outcome === 'Failed') {
    deps.metrics.inspectionFailed('ProvisionFailed');
    return { kind: 'failed', reason: handover.reason ?? 'no reason given' };
  }
  if (inspection?.claim === ref.id && inspection.reportDigest !== undefined) {
    if (inspection.poweredOnAt && host.status?.inspectionTimestamp) {
      const seconds = (Date.parse(host.status.inspectionTimestamp) - Date.parse(inspection.poweredOnAt)) / 1000;
      deps.metrics.inspectionDone(Math.max(0, seconds));
    }
    const written = await writeProgress(deps, run, {
      phase: 'Validating',
      reason: MACHINE_REASONS.validatingHardware,
      message: `Host ${ref.host} has reported its hardware; it is compared with hardwareRequirements.`,
      host: ref.host,
    });
    return { kind: 'reported', hardware: summarize(inspectionReport ?? {}), ...written };
  }
  if (inspectionPhase === 'Timeout' && inspection?.claim === ref.id) {
    deps.metrics.inspectionFailed('Timeout');
    return { kind: 'timedOut', ...(wasScriptFetched === undefined ? {} : { wasScriptFetched }) };
  }
  return { kind: 'waiting' };
}

async function patchOrRead(
  deps: Dependencies,
  { claim: ref, timedOut }: TakeReportInput,
): Promise<{ host: PhysicalHost; wasScriptFetched?: boolean }> {
  if (!timedOut) {
    // A report that the cache shows is stored, and does not change while the claim stands; that it is missing is asked
    // live.
    const cached = await hostForClaim(deps, ref);
    if (cached?.status?.inspection?.claim === ref.id && cached.status.inspection.reportDigest !== undefined)
      return { host: cached };
    const live = await readHost(deps.kube, ref.namespace, ref.host);
    return { host: requireClaim(live, ref, ['Armed']).host };
  }
  let wasScriptFetched: boolean | undefined;
  const host = await patchHostStatus(deps.kube, ref, (live) => {
    requireClaim(live, ref, ['Armed']);
    const inspection = live.status?.inspection;
    const has = inspection?.claim === ref.id && inspection.reportDigest !== undefined;
    if (has || (inspection?.claim === ref.id && live.status?.inspectionPhase === 'Timeout')) return undefined;
    wasScriptFetched = inspection?.claim === ref.id && live.status?.inspectionPhase === 'InProgress';
    return { inspectionPhase: 'Timeout', inspection: { ...inspection, claim: ref.id } };
  });
  return { host, ...(wasScriptFetched === undefined ? {} : { wasScriptFetched }) };
}
