import { log } from '@temporalio/activity';
import type { Beskar7Machine, Beskar7MachineStatus } from '../../crds/beskar7Machine.ts';
import { consumerPatch, newClaim, type Releasing } from '../../model/claim.ts';
import { requirementsAtClaim, type Demand } from '../../model/demand.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, MACHINE_REASONS } from '../../crds/reasons.ts';
import { isConflict, isNotFound, KubeError } from '../../kube/error.ts';
import { HOSTS } from '../../kube/resource.ts';
import { find, pinned } from '../../kube/swap.ts';
import { inTimeOr } from '../activityScope.ts';
import { adoptClaim } from './adoptClaim.ts';
import { admitMachine, type Refused } from './admitMachine.ts';
import type { ClaimState, RunContext } from '../../contracts/claimRef.ts';
import { markInUse, stateOf } from './claimState.ts';
import type { Dependencies } from '../dependencies.ts';
import { isRefusedWrite, retryable } from '../failures.ts';
import { candidates, isLeftToAnother, isTakenByAnother, noHostMessage } from './freeHosts.ts';
import { writeMachineStatus, type Written } from '../store/machineStatus.ts';
import { readOwner } from './owner.ts';
import { writeProgress } from '../store/refusedWrites.ts';
import { withoutItsHost } from './missingHost.ts';
import { planOf, planOfClaim, recordPlan, specToProvision, type Plan } from './plan.ts';
import { recordEnd } from './recordEnd.ts';
import { traceContext } from './traceContext.ts';

/** One attempt to get a host for the machine of `run`. */
export interface ClaimHostInput {
  readonly run: RunContext;
  /** Which attempt of this run, from 1. */
  readonly attempt: number;
  /** Hosts that this run has tried already. */
  readonly tried: readonly string[];
  /** `Plan.imageHash` of the attempt before this one, see `specToProvision`; absent: there was none in this run. */
  readonly imageHash?: string;
  /** The run was made by `temporal workflow reset`. */
  readonly isReset: boolean;
  /** The run was cancelled already: it only looks for what an earlier one has claimed. */
  readonly isCancelled: boolean;
}

/** How many tried hosts the status names; `spec.attempts` is at most as many. */
const MAX_TOLD = 10;

/** Changes of a policy of the API server cannot be watched. */
const REFUSED_RETRY_MS = 30_000;

/** What a run carries on after a claim or in vain. */
type Carried = Written & Pick<RunContext, 'earlierAttempts'>;

/** `noMatchingHost`: the run waits for `hostAvailable`. `claimRefused`: the API server refuses the write (403, 422). */
export type ClaimHostResult =
  | Refused
  | (Carried & { readonly kind: 'claimed'; readonly claim: ClaimState; readonly plan: Plan })
  | (Carried & { readonly kind: 'noMatchingHost'; readonly message: string })
  | (Carried & {
      readonly kind: 'claimRefused';
      readonly message: string;
      /** Nothing wakes the run: it looks again after so long. */
      readonly retryInMs: number;
    });

/**
 * Decides by a live read whether work is due for the machine (rule 9), continues with a claim that it already has (rule
 * 12), or claims a host that fits (rule 8). Without one it says so on the machine, tries once more and returns
 * `noMatchingHost` (rule 15), or `claimRefused` where no host may be written. For a run that was cancelled nothing new
 * is claimed, and nothing is said: its end follows. Never talks to a BMC.
 */
export async function claimHost(deps: Dependencies, input: ClaimHostInput): Promise<ClaimHostResult> {
  const { namespace, name } = input.run.machine;
  // A claim that came later would be a second one (rule 1): whoever starts again looks for the machine's claim once.
  const requireInTime = inTimeOr(`claiming a host for ${namespace}/${name} took too long; it is retried`);
  const admitted = await admitMachine(deps, input.run.machine, input.isReset);
  if (admitted.kind !== 'admitted') {
    if (admitted.reason === 'AlreadyHandled') await recordEnd(deps, input.run);
    return admitted;
  }
  let { machine } = admitted;
  // By a run that went on in a fresh history, or was lost.
  const before = attemptsBefore(input.run, machine);
  let run = { ...input.run, ...before, ...sinceOf(machine) };
  const { providerID } = machine.spec;
  // This run counts from 1 again.
  const triedBefore = machine.status?.waitingFor?.triedHosts ?? [];
  if (admitted.mayHaveClaim || input.attempt > 1 || providerID !== undefined) {
    const { lastEnd } = admitted;
    const isOver = ({ id, attempt }: Releasing, host: PhysicalHost) =>
      attempt < input.attempt ||
      triedBefore.includes(host.metadata.name) ||
      (lastEnd !== undefined && (lastEnd.claims?.includes(id) ?? true));
    const adopted = await adoptClaim(deps, machine, { attempt: input.attempt, isOver });
    if (adopted?.kind === 'provisioned')
      return { kind: 'notDue', reason: 'AlreadyProvisioned', message: adopted.message };
    if (adopted) {
      const written = await writeProgress(deps, run, adoptedReport(adopted.claim));
      const plan = planOfClaim(machine, adopted.specHash);
      return { kind: 'claimed', claim: adopted.claim, plan, ...before, ...written };
    }
  }
  if (providerID !== undefined) return withoutItsHost(deps, run, providerID);
  if (input.isCancelled)
    return { kind: 'noMatchingHost', message: 'Cancelled: no host is looked for.', ...before, ...sinceOf(machine) };
  // Never the same host twice.
  const tried = [...new Set([...input.tried, ...triedBefore])];
  const spec = specToProvision(machine, tried, input.imageHash);
  machine = await recordPlan(deps, machine, spec);
  run = { ...run, ...sinceOf(machine) };
  const plan = planOf(machine, spec);
  const failureDomain = (await readOwner(deps.kube, machine))?.failureDomain;
  const demand: Demand = {
    selector: machine.spec.hostSelector,
    // Resetting a run asks to try again, too.
    requirements: input.isReset ? undefined : requirementsAtClaim(machine),
    failureDomain,
    tried,
  };
  const claiming: Claiming = {
    machine,
    attempt: Math.max(input.attempt, tried.length + 1),
    tried,
    specHash: plan.specHash,
    requireInTime,
  };
  const first = await tryHosts(deps, claiming, demand);
  if (first instanceof KubeError) return refusedClaim(deps, run, first, demand);
  if (first) return claimed(deps, run, first, plan);
  const message = await noHostMessage(deps, machine, demand);
  const written = await writeMachineStatus(deps.kube, run, {
    phase: 'Claiming',
    reason: MACHINE_REASONS.noMatchingHost,
    message,
    waitingFor: waitingForOf(demand),
  });
  // A host may have become free between the look and the write, when nothing would have woken this run.
  const second = await tryHosts(deps, claiming, demand);
  if (second instanceof KubeError) return refusedClaim(deps, { ...run, ...written }, second, demand);
  if (second) return claimed(deps, { ...run, ...written }, second, plan);
  return { kind: 'noMatchingHost', message, ...before, ...written };
}

/**
 * The API server refuses each claim for good (403, 422): that is for an operator to see and mend, and is tried again
 * meanwhile.
 */
async function refusedClaim(
  deps: Dependencies,
  run: RunContext,
  refusal: KubeError,
  demand: Demand,
): Promise<ClaimHostResult> {
  const message =
    `The API server refuses to let a host be claimed (${refusal.message}): look at its admission policies and at the permissions of Beskar7. ` +
    `Tried again every ${REFUSED_RETRY_MS / 1_000} s.`;
  const written = await writeMachineStatus(deps.kube, run, {
    phase: 'Claiming',
    reason: MACHINE_REASONS.claimRefused,
    message,
    waitingFor: waitingForOf(demand),
  });
  return { kind: 'claimRefused', message, retryInMs: REFUSED_RETRY_MS, ...attemptsBefore(run), ...written };
}

async function claimed(deps: Dependencies, run: RunContext, claim: ClaimState, plan: Plan): Promise<ClaimHostResult> {
  const written = await writeProgress(deps, run, claimingReport(claim.ref.host));
  return { kind: 'claimed', claim, plan, ...attemptsBefore(run), ...written };
}

function claimingReport(host: string) {
  return {
    phase: 'Claiming' as const,
    reason: MACHINE_REASONS.claimingHost,
    message: `Host ${host} is claimed; it is switched off, then booted into inspection.`,
    host,
  };
}

/** In the phase that its server is in: by it the watcher knows what the run waits for, and reminds it (rule 11). */
function adoptedReport({ ref: { host }, inspectionDeadline }: ClaimState) {
  const goesOn = `Continues with host ${host}, which an earlier run had claimed`;
  return inspectionDeadline === undefined
    ? { phase: 'Claiming' as const, reason: MACHINE_REASONS.claimingHost, message: `${goesOn}.`, host }
    : {
        phase: 'Inspecting' as const,
        reason: MACHINE_REASONS.waitingForInspection,
        message: `${goesOn} and booted; its report is due until ${inspectionDeadline}.`,
        host,
      };
}

/**
 * For which machine and spec, in which attempt of its run; `requireInTime` throws when no claim may be sent any more.
 */
interface Claiming {
  readonly machine: Beskar7Machine;
  readonly attempt: number;
  readonly tried: readonly string[];
  readonly specHash: string;
  readonly requireInTime: () => void;
}

/**
 * Tries the hosts that fit, the best first, until one compare-and-swap succeeds. A KubeError: a host may not be
 * written, and no other was had.
 */
async function tryHosts(
  deps: Dependencies,
  claiming: Claiming,
  demand: Demand,
): Promise<ClaimState | KubeError | undefined> {
  let refusal: KubeError | undefined;
  for (const host of await candidates(deps, claiming.machine, demand)) {
    if (isLeftToAnother(deps.caches, host)) continue;
    if (!deps.reservations.tryReserve(host, claiming.machine.metadata.uid)) continue;
    try {
      const claim = (await isTakenByAnother(deps, host)) ? undefined : await tryClaim(deps, claiming, host);
      if (claim) return claim;
    } catch (error) {
      deps.reservations.release(host);
      // A policy that refuses one host (403, 422) says nothing of the others.
      if (!isRefusedWrite(error)) throw error;
      refusal ??= error;
    }
    // Lost against another writer: the reservation stays until the cache shows it.
    deps.reservations.lose(host);
  }
  return refusal;
}

/** One compare-and-swap with the cached resourceVersion: it succeeds only when the cache was live. */
async function tryClaim(
  deps: Dependencies,
  { machine, attempt, tried, specHash, requireInTime }: Claiming,
  cached: PhysicalHost,
): Promise<ClaimState | undefined> {
  const { namespace = '', name, uid = '' } = machine.metadata;
  requireInTime();
  const { bootTimeoutMs } = deps.options;
  const claim = newClaim({ attempt, tried: tried.slice(-MAX_TOLD), specHash, bootTimeoutMs, ...traceContext() });
  const patch = pinned(cached, consumerPatch(machine, claim));
  let host: PhysicalHost;
  try {
    host = await deps.kube.mergePatch(HOSTS, namespace, cached.metadata.name, patch);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    if (!isConflict(error)) throw error;
    await requireOthers(deps, cached, uid);
    return undefined;
  }
  await markInUse(deps, host, claim);
  deps.recorder.event(host, 'Normal', 'HostClaimed', `Claimed by Beskar7Machine ${namespace}/${name}`);
  log.info('host claimed', { namespace, host: host.metadata.name, machine: name, claim: claim.id });
  return stateOf(host, claim, { namespace, name, uid }, false);
}

/**
 * Throws when a host that was lost was lost to this very machine: an earlier try of the activity goes on somewhere, and
 * its claim is to be adopted.
 */
async function requireOthers(deps: Dependencies, { metadata }: PhysicalHost, machineUid: string): Promise<void> {
  const { namespace = '', name } = metadata;
  const live = await find(deps.kube, HOSTS, { namespace, name });
  if (live?.spec.consumerRef?.uid === machineUid)
    throw retryable(`host ${namespace}/${name} was claimed by an earlier attempt of this activity; it is retried`);
}

function waitingForOf({ failureDomain, tried }: Demand): NonNullable<Beskar7MachineStatus['waitingFor']> {
  return {
    ...(failureDomain === undefined ? {} : { failureDomain }),
    ...(tried.length === 0 ? {} : { triedHosts: tried.slice(-MAX_TOLD) }),
  };
}

/** What the run knows itself; one that goes on for another finds it in the machine's status. */
function attemptsBefore(run: RunContext, machine?: Beskar7Machine): Pick<RunContext, 'earlierAttempts'> {
  const earlierAttempts = run.earlierAttempts ?? machine?.status?.earlierAttempts;
  return earlierAttempts === undefined ? {} : { earlierAttempts };
}

function sinceOf(machine: Beskar7Machine): Pick<RunContext, 'machineVersion' | 'notReadySince'> {
  const ready = machine.status?.conditions?.find((entry) => entry.type === CONDITIONS.ready);
  const version = machine.metadata.resourceVersion;
  return {
    ...(version === undefined ? {} : { machineVersion: version }),
    ...(ready?.status === 'False' ? { notReadySince: ready.lastTransitionTime } : {}),
  };
}
