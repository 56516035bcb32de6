import { log } from '@temporalio/activity';
import type { ClaimStage } from '../crds/claim.ts';
import type { MutateOptions, RedfishClient } from '../redfish/index.ts';
import type { ClaimRef } from './claimRef.ts';
import type { Dependencies } from './dependencies.ts';
import { bmcFailure, fromRedfish } from './failures.ts';
import { claimFence } from './fence.ts';

/** After this long without the wanted state the command is taken for lost and sent again. */
const RESEND_AFTER_MS = 20_000;

/**
 * Switches a server off and sees it off. In good order first when `gracefulMs` is given, then by force; a command that was
 * accepted and not done is sent again. `options` carries the fence; each send is fenced anew. Returns false when it was off already.
 */
export async function switchOff(
  bmc: RedfishClient,
  host: string,
  options: Omit<MutateOptions, 'urgent'>,
  limits: { totalMs: number; gracefulMs?: number },
): Promise<boolean> {
  const signal = options.signal;
  const until = performance.now() + limits.totalMs;
  try {
    if ((await bmc.getPowerState(signal ? { signal } : {})) === 'Off') return false;
    if (limits.gracefulMs !== undefined && limits.gracefulMs > 0) {
      if (await shutDown(bmc, options, Math.min(limits.gracefulMs, limits.totalMs / 2))) return true;
    }
    while (performance.now() < until) {
      await bmc.setPowerState('ForceOff', { ...options, urgent: true });
      const waitMs = Math.max(1_000, Math.min(RESEND_AFTER_MS, until - performance.now()));
      if (await bmc.waitForPowerState('Off', { timeoutMs: waitMs, ...(signal ? { signal } : {}) })) return true;
      log.warn('the server is still on, the command is sent again', { host });
    }
  } catch (error) {
    throw fromRedfish(error, host);
  }
  throw bmcFailure(
    `BMC of host ${host} accepted the power-off, but the server was not seen off within ${Math.round(limits.totalMs / 1000)} s`,
    'PowerOffNotSeen',
  );
}

async function shutDown(bmc: RedfishClient, options: Omit<MutateOptions, 'urgent'>, limitMs: number): Promise<boolean> {
  try {
    await bmc.setPowerState('GracefulShutdown', { ...options, urgent: true });
  } catch (error) {
    options.signal?.throwIfAborted();
    const failure = fromRedfish(error, '');
    if (failure !== error && isClaimLost(failure)) throw failure;
    return false;
  }
  return bmc.waitForPowerState('Off', { timeoutMs: limitMs, ...(options.signal ? { signal: options.signal } : {}) });
}

function isClaimLost(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { type?: unknown }).type === 'ClaimLost';
}

/** The options of a mutating call on behalf of a claim. */
export function fenced(
  deps: Dependencies,
  ref: ClaimRef,
  stages: readonly ClaimStage[],
  signal: AbortSignal,
): Omit<MutateOptions, 'urgent'> {
  return claimFence(deps.kube, ref, stages, signal);
}
