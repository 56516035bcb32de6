import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimIn, claimOf, handOver } from '../../model/claim.ts';
import { findCondition, withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import { askOf, handledOf, type Handled } from '../../model/handled.ts';
import { LABEL_ZONE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { providerIDOf } from '../../model/providerID.ts';
import { summarize, unmetRequirements } from '../../model/requirements.ts';
import { CONDITIONS, HOST_REASONS, MACHINE_REASONS } from '../../crds/reasons.ts';
import type { MachineAddress } from '../../crds/schema.ts';
import { settle } from '../bmc/bmcCalls.ts';
import { beginReleasePatch, reportEarlyForce } from '../release/beginRelease.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { claimLost, isRefusedWrite, notValidated } from '../failures.ts';
import { claimPatch, hostForClaim, patchHost, patchHostStatus, readHost, requireClaim } from '../store/hostStore.ts';
import { patchMachineEnd } from './machineEnd.ts';
import { machineAddresses } from './machineAddresses.ts';
import { writeMachineStatus, type Written } from '../store/machineStatus.ts';
import { readMachine } from '../store/machineStore.ts';
import { reportRefusal, writeProgress } from '../store/refusedWrites.ts';
import { awaitsBootstrap } from './awaitsBootstrap.ts';
import { readBootstrap } from '../claim/owner.ts';
import { specOfClaim, type Plan } from '../claim/plan.ts';

/** A claim whose hardware has passed, and the plan that it is provisioned by. */
export interface HandOverInput {
  readonly claim: ClaimRef;
  readonly run: RunContext;
  readonly plan: Plan;
}

/** With `deadline`: bootstrap data is open. With `inFlightUntil`: nothing was written; call again after that time. */
export type OpenedProvisioning = Written &
  (
    | {
        /** RFC 3339: when the wait for the hand-over ends. */
        readonly deadline: string;
      }
    /**
     * RFC 3339: until when something may still arrive at the BMC. Nothing is opened before, since a handed-over server
     * gets no request (rule 3).
     */
    | { readonly inFlightUntil: string }
  );

/**
 * State Ready: the hardware has passed, bootstrap data may be read from now on. That it has is read from the report
 * itself: whoever may write to the Temporal namespace can schedule this activity, and opens nothing with it.
 */
export async function openProvisioning(deps: Dependencies, input: HandOverInput): Promise<OpenedProvisioning> {
  const { claim: ref, run } = input;
  const start = await readHost(deps.kube, ref.namespace, ref.host);
  await requireValidated(deps, ref, start);
  const settledAt = await settle(deps.kube, ref, start);
  if (settledAt !== undefined) return { inFlightUntil: new Date(settledAt).toISOString() };
  // The owner of a machine does not change: the cache will do when it shows the same uid.
  const cached = deps.caches.machine(ref.machine.namespace, ref.machine.name);
  const machine = cached?.metadata.uid === ref.machine.uid ? cached : await readMachine(deps.kube, ref.machine);
  if (!machine) throw claimLost(`Beskar7Machine ${ref.machine.namespace}/${ref.machine.name} is gone`);
  const bootstrap = await readBootstrap(deps.kube, machine);
  if (bootstrap.kind === 'waits') throw await awaitsBootstrap(deps, input, bootstrap.why);
  const host = await patchHostStatus(
    deps.kube,
    ref,
    (live) => {
      requireClaim(live, ref, ['Armed']);
      const current = live.status?.handover?.claim === ref.id ? live.status.handover : undefined;
      if (current?.openedAt !== undefined) return undefined;
      const now = new Date().toISOString();
      return {
        state: 'Ready',
        handover: {
          ...current,
          claim: ref.id,
          openedAt: now,
          ...(bootstrap.kind === 'ready' ? { bootstrapSecret: bootstrap.secret } : {}),
        },
        conditions: withConditions(
          live.status?.conditions,
          [validatedFor(ref.machine.name)],
          now,
          live.metadata.generation,
        ),
      };
    },
    start,
  );
  const openedAt = Date.parse(host.status?.handover?.openedAt ?? new Date().toISOString());
  const written = await writeProgress(deps, run, {
    phase: 'Provisioning',
    reason: MACHINE_REASONS.waitingForHandover,
    message: `The hardware of host ${ref.host} is good; the inspection image fetches the final OS and starts it.`,
    host: ref.host,
  });
  return { ...written, deadline: new Date(openedAt + deps.options.provisioningTimeoutMs).toISOString() };
}

/** Throws `HardwareNotValidated` unless the report of this claim is stored and meets what the claim was made for. */
async function requireValidated(deps: Dependencies, ref: ClaimRef, live: PhysicalHost | undefined): Promise<void> {
  const { host, claim } = requireClaim(live, ref, ['Armed']);
  const { inspection, inspectionReport } = host.status ?? {};
  const where = `host ${ref.namespace}/${ref.host}`;
  if (inspection?.claim !== ref.id || inspection.reportDigest === undefined) {
    throw notValidated(`${where} has no inspection report of the claim ${ref.id}: its bootstrap data stays closed`);
  }
  const { hardwareRequirements } = await specOfClaim(deps, ref, claim);
  const unmet = unmetRequirements(hardwareRequirements, summarize(inspectionReport ?? {}));
  if (unmet.length === 0) return;
  throw notValidated(
    `${where} does not meet hardwareRequirements, its bootstrap data stays closed: ${unmet.join('; ')}`,
  );
}

function validatedFor(machine: string): ConditionPatch {
  const message = `Inspected and validated for Beskar7Machine ${machine}.`;
  return { type: CONDITIONS.ready, status: 'True', reason: HOST_REASONS.validated, message };
}

/** Input of `settleHandover`, which is called on each signal and when the time is over. */
export interface SettleInput extends HandOverInput {
  /** RFC 3339: when the run began. */
  readonly startedAt: string;
  /** The time for the hand-over is over: why the claim is released, unless the hand-over was told after all. */
  readonly timedOut?: string;
}

/** How the hand-over stands. `failed`: the inspector gave up, `reason` in its words. `waiting`: nothing is decided. */
export type SettleResult =
  | { readonly kind: 'provisioned' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'waiting' }
  /**
   * The claim is in stage `Releasing`; or the API server refused to have that written, for the reason `refusal`, and
   * the release tries it again.
   */
  | { readonly kind: 'timedOut'; readonly refusal?: string };

/**
 * Reads what the inspector (or the final OS) has said, and hands over when it is time: stage `HandedOver` by
 * compare-and-swap, then providerID, addresses and conditions of the machine. From then on no provision run touches the
 * BMC (rule 3). Hand-over against timeout is decided by that one write too: it is stage `HandedOver` or `Releasing`,
 * and no callback is accepted after the latter.
 */
export async function settleHandover(deps: Dependencies, input: SettleInput): Promise<SettleResult> {
  const { claim: ref, timedOut } = input;
  // What the cache shows is the start of the compare-and-swap below, which proves it; that nothing was said is asked
  // live.
  const cached = await hostForClaim(deps, ref);
  const isReported = cached?.status?.handover?.claim === ref.id && cached.status.handover.outcome === 'Provisioned';
  const found = isReported ? cached : await readHost(deps.kube, ref.namespace, ref.host);
  // This call may be repeated because its answer was lost.
  const isOver = timedOut !== undefined && found !== undefined && claimIn(found, 'Releasing')?.reason === timedOut;
  const { host, claim } = requireClaim(found, ref, [
    'Armed',
    'HandedOver',
    ...(isOver ? (['Releasing'] as const) : []),
  ]);
  if (claim.stage === 'Releasing') return { kind: 'timedOut' };
  let live = host;
  if (claim.stage === 'Armed') {
    let result = { kind: 'waiting' } as SettleResult;
    const written = await patchHost(
      deps.kube,
      ref,
      (current) => {
        const { claim: now } = requireClaim(current, ref, ['Armed', 'HandedOver']);
        result = now.stage === 'HandedOver' ? { kind: 'provisioned' } : resultOnHost(current, input);
        if (now.stage === 'HandedOver') return undefined;
        if (result.kind === 'provisioned') return claimPatch(handOver(now));
        if (result.kind !== 'waiting' || timedOut === undefined) return undefined;
        result = { kind: 'timedOut' };
        reportEarlyForce(deps, current);
        return beginReleasePatch(current, now, timedOut);
      },
      live,
    ).catch(async (error: unknown) => {
      // Nothing is sent to the BMC before the release has written its stage: the deadline holds though this write was
      // refused.
      if (result.kind !== 'timedOut' || !isRefusedWrite(error)) throw error;
      const { namespace, host: name } = ref;
      await reportRefusal(deps, { machine: ref.machine, host: { namespace, name } }, 'settleHandover', error);
      result = { kind: 'timedOut', refusal: error.message };
      return live;
    });
    live = written;
    if (result.kind !== 'provisioned') return result;
  } else if (host === cached) {
    // An earlier try came this far; caches leave out the network cards of the report.
    const read = await readHost(deps.kube, ref.namespace, ref.host);
    live = requireClaim(read, ref, ['HandedOver']).host;
  }
  await finish(deps, input, live);
  return { kind: 'provisioned' };
}

/** What was said for this claim so far. A failure wins over what was said before it: the inspector powers off. */
function resultOnHost(host: PhysicalHost, { claim: ref, plan }: SettleInput): SettleResult {
  const said = host.status?.handover?.claim === ref.id ? host.status.handover : undefined;
  if (said?.outcome === 'Failed') return { kind: 'failed', reason: said.reason ?? 'no reason given' };
  const isUp = plan.readyWhen === 'HandedOver' || said?.osReadyAt !== undefined;
  return said?.outcome === 'Provisioned' && isUp ? { kind: 'provisioned' } : { kind: 'waiting' };
}

async function finish(deps: Dependencies, input: SettleInput, host: PhysicalHost): Promise<void> {
  const { run, plan } = input;
  const addresses = machineAddresses(host);
  const handled: Handled = { specHash: plan.specHash, retry: plan.retry, outcome: 'Provisioned', addresses };
  const providerID = providerIDOf(run.machine.namespace, host.metadata.name, run.machine.name);
  const version = await patchMachineEnd(deps, run, handled, { providerID });
  if (version === undefined) return;
  await writeMachineStatus(deps.kube, { ...run, machineVersion: version }, provisionedReport(host, addresses));
  deps.recorder.event(
    { apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1', kind: 'Beskar7Machine', metadata: run.machine },
    'Normal',
    'ProvisioningComplete',
    `Provisioned on host ${host.metadata.name}`,
  );
  deps.metrics.provisioningDone(Math.max(0, (Date.now() - Date.parse(input.startedAt)) / 1000));
}

/**
 * Writes what a machine lost that was handed over already: status and marks only, no call to a BMC (rules 12 and 13).
 */
export async function recordProvisioned(
  deps: Dependencies,
  machine: Beskar7Machine,
  host: PhysicalHost,
): Promise<void> {
  const { namespace, name, uid, resourceVersion } = machine.metadata;
  const addresses = machineAddresses(host, handledOf(machine)?.addresses);
  const before = handledOf(machine);
  // What was edited since the hand-over is still to be told as ignored.
  const now = askOf(machine);
  const ask =
    before?.outcome === 'Provisioned'
      ? { specHash: before.specHash, retry: before.retry }
      : { ...now, specHash: claimOf(host)?.specHash ?? now.specHash };
  const handled: Handled = { ...ask, outcome: 'Provisioned', addresses };
  const version = await patchMachineEnd(
    deps,
    { machine: { namespace, name, uid }, machineVersion: resourceVersion },
    handled,
    { providerID: providerIDOf(namespace, host.metadata.name, name) },
  );
  if (version === undefined) return;
  const workflow = machine.status?.workflow ?? { id: `provision/${namespace}/${name}`, runID: '' };
  await writeMachineStatus(
    deps.kube,
    { machine: { namespace, name, uid }, workflow, machineVersion: version },
    provisionedReport(host, addresses),
  );
  await recordHandedOver(deps, host);
}

/**
 * Writes what a host lost that was handed over already: state and condition Ready. Of another one nothing; calls no
 * BMC.
 */
export async function recordHandedOver(deps: Dependencies, host: PhysicalHost): Promise<void> {
  if (!hasLostHandOver(host)) return;
  const { namespace, name } = host.metadata;
  await patchHostStatus(
    deps.kube,
    { namespace, host: name },
    (live) => {
      if (!hasLostHandOver(live)) return undefined;
      const ready = validatedFor(live.spec.consumerRef?.name ?? '');
      const now = new Date().toISOString();
      return {
        state: 'Ready',
        ready: true,
        conditions: withConditions(live.status?.conditions, [ready], now, live.metadata.generation),
      };
    },
    host,
  );
}

function hasLostHandOver(host: PhysicalHost): boolean {
  if (claimIn(host, 'HandedOver') === undefined) return false;
  const { state, conditions } = host.status ?? {};
  return state !== 'Ready' || findCondition(conditions, CONDITIONS.ready) === undefined;
}

function provisionedReport(host: PhysicalHost, addresses: MachineAddress[]) {
  return {
    phase: 'Provisioned' as const,
    reason: MACHINE_REASONS.inspectionComplete,
    message: `Runs on host ${host.metadata.name}.`,
    host: host.metadata.name,
    addresses,
    failureDomain: host.metadata.labels?.[LABEL_ZONE],
  };
}
