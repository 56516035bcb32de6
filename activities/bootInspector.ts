import { log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { claimOf, type Claim } from '../crds/claim.ts';
import { withConditions } from '../crds/conditions.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS, MACHINE_REASONS } from '../crds/reasons.ts';
import type { RedfishClient } from '../redfish/index.ts';
import { connectBmc } from './bmcConnection.ts';
import { mintBootSecret } from './bootSecret.ts';
import type { ClaimRef, RunContext } from './claimRef.ts';
import type { Dependencies } from './dependencies.ts';
import { bmcFailure, fromRedfish } from './failures.ts';
import { claimPatch, hostForClaim, patchHost, patchHostStatus, readHost, requireClaim } from './hostStore.ts';
import { writeMachineStatus, type Written } from './machineStatus.ts';
import { fenced, switchOff } from './power.ts';

export interface BootInput {
  readonly claim: ClaimRef;
  readonly run: RunContext;
}

export interface BootResult extends Written {
  /** RFC 3339: when the wait for the report ends. */
  readonly inspectionDeadline: string;
}

/** How long one try may wait to see the server on before the command is taken for lost. */
const SEE_ON_MS = 30_000;
/** How often On is sent in one activity before it fails and the workflow decides. */
const TRIES = 3;
/** The token outlives the inspection deadline by this much, as a backstop only (rule 21). */
const TOKEN_GRACE_MS = 60_000;

/**
 * Makes sure that the server of a claim is off before it is armed: a server that is on and not armed is not ours (rule 5).
 * Only in stage `Claimed`; an armed claim is left alone.
 */
export async function prepareBoot(deps: Dependencies, input: BootInput, signal: AbortSignal): Promise<void> {
  const host = await hostForClaim(deps, input.claim, signal);
  const claim = requireClaim(host, input.claim, ['Claimed', 'Armed']);
  if (claim.stage === 'Armed' || host === undefined) return;
  const bmc = await connectBmc(deps, host);
  await switchOff(bmc, input.claim.host, fenced(deps, input.claim, ['Claimed'], signal), { totalMs: 100_000 });
}

/**
 * Arms the claim, sets PXE once, switches on and sees on (rule 5), then tells host and machine. Can run twice: what is armed
 * is not armed again, a server that is on and armed for this claim is ours and gets nothing.
 */
export async function bootInspector(deps: Dependencies, input: BootInput, signal: AbortSignal): Promise<BootResult> {
  const { claim: ref } = input;
  const start = await hostForClaim(deps, ref, signal);
  let before = requireClaim(start, ref, ['Claimed', 'Armed']);
  // requireClaim has thrown when there is no host.
  let host = start as PhysicalHost;
  const recorded = host.status?.inspection;
  if (recorded?.claim === ref.id && recorded.deadline !== undefined) return { inspectionDeadline: recorded.deadline };
  const bmc = await connectBmc(deps, host);
  try {
    const isOn = (await bmc.getPowerState({ signal })) !== 'Off';
    if (isOn && before.stage === 'Claimed') {
      // The cache may be behind: an earlier attempt may have armed and switched on.
      host = (await readHost(deps.kube, ref.namespace, ref.host, signal)) as PhysicalHost;
      before = requireClaim(host, ref, ['Claimed', 'Armed']);
      if (before.stage === 'Claimed') {
        throw bmcFailure(`host ${ref.host} was switched on by somebody else before it was armed`, 'NotOff');
      }
    }
    if (before.stage === 'Claimed') host = await arm(deps, host, before);
    if (!isOn) await powerOn(deps, bmc, ref, signal);
  } catch (error) {
    throw fromRedfish(error, ref.host);
  }
  return recordBoot(deps, input, host);
}

/** Secret first, then one write that arms: the stage with the hashes of token and nonce (rule 21). */
async function arm(deps: Dependencies, host: PhysicalHost, claim: Claim): Promise<PhysicalHost> {
  const hashes = await mintBootSecret(deps.kube, host, claim.id);
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  return patchHost(
    deps.kube,
    key,
    (live) => {
      const now = claimOf(live);
      if (now?.id !== claim.id || (now.stage !== 'Claimed' && now.stage !== 'Armed')) {
        throw ApplicationFailure.create({
          type: 'ClaimLost',
          nonRetryable: true,
          message: `host ${key.namespace}/${key.host}: the claim ended before the server was armed`,
        });
      }
      if (now.stage === 'Armed') return undefined;
      return claimPatch({ ...now, stage: 'Armed', since: new Date().toISOString(), ...hashes });
    },
    host,
  );
}

/** PXE once, read back; On; seen on. A command that was accepted and not done is sent again. */
async function powerOn(deps: Dependencies, bmc: RedfishClient, ref: ClaimRef, signal: AbortSignal): Promise<void> {
  const options = fenced(deps, ref, ['Armed'], signal);
  for (let tries = 1; tries <= TRIES; tries += 1) {
    await bmc.setBootSourcePXE(options);
    await bmc.setPowerState('On', options);
    if (await bmc.waitForPowerState('On', { timeoutMs: SEE_ON_MS, signal })) return;
    log.warn('the server is still off, the command is sent again', { host: ref.host, tries });
  }
  throw bmcFailure(
    `BMC of host ${ref.host} accepted the power-on ${TRIES} times, but the server stays off`,
    'PowerOnNotSeen',
  );
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
      const claim = requireClaim(live, ref, ['Armed']);
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
          hash: claim.tokenHash ?? '',
          nonceHash: claim.nonceHash ?? '',
          claim: ref.id,
          expiresAt: new Date(Date.parse(deadline) + TOKEN_GRACE_MS).toISOString(),
        },
        conditions: withConditions(
          live.status?.conditions,
          [ready],
          new Date().toISOString(),
          live.metadata.generation,
        ),
      };
    },
    armed,
  );
  const inspectionDeadline = host.status?.inspection?.deadline ?? deadline;
  deps.recorder.event(host, 'Normal', 'InspectionStarted', `Inspection started for Beskar7Machine ${ref.machine.name}`);
  const written = await writeMachineStatus(deps.kube, run, {
    phase: 'Inspecting',
    reason: MACHINE_REASONS.waitingForInspection,
    message: `Host ${ref.host} boots the inspection image; its report is due until ${inspectionDeadline}.`,
    host: ref.host,
  });
  return { inspectionDeadline, ...written };
}
