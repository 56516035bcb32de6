import { log } from '@temporalio/activity';
import { RedfishError, type MutateOptions, type RedfishClient } from '../../redfish/index.ts';
import { bmcFailure, fromRedfish, isClaimLost, isDifferentServer } from '../failures.ts';
import { ON_TAKES_MS, RESEND_AFTER_MS, SEE_OFF_MS } from '../../model/deadlines.ts';

type Options = Omit<MutateOptions, 'urgent'>;

/** The least time for a look at a server that is not expected to change. */
const LOOK_MS = 1_000;
/** How often On is sent in one activity before it fails and the workflow decides. */
const ON_TRIES = 3;

/**
 * Switches a server off and confirms that it is off. In good order first when `gracefulMs` is given, then by force; a
 * command that was accepted and not done is sent again. `options` carries the fence; each send is fenced again. Returns
 * false when it was off already.
 */
export async function switchOff(
  bmc: RedfishClient,
  host: string,
  options: Options,
  limits: { totalMs?: number; gracefulMs?: number } = {},
): Promise<boolean> {
  const { totalMs = SEE_OFF_MS, gracefulMs = 0 } = limits;
  const until = performance.now() + totalMs;
  try {
    if ((await bmc.getPowerState(looking(options))) === 'Off') return false;
    if (gracefulMs > 0 && (await shutDown(bmc, options, Math.min(gracefulMs, totalMs / 2)))) return true;
    while (performance.now() < until) {
      await bmc.setPowerState('Off', { ...options, urgent: true });
      const timeoutMs = Math.max(1_000, Math.min(RESEND_AFTER_MS, until - performance.now()));
      if (await bmc.waitForPowerState('Off', { timeoutMs, ...looking(options) })) return true;
      log.warn('the server is still on, sending the command again', { host });
    }
  } catch (error) {
    throw fromRedfish(error, host);
  }
  throw bmcFailure(
    `BMC of host ${host} accepted the power-off, but power-off was not confirmed within ${Math.round(totalMs / 1000)} s`,
    'PowerOffNotSeen',
  );
}

/**
 * Sends Off to a server that shows off: a power-on that was accepted a moment ago does not show yet, and is overtaken
 * by this where the BMC does one after the other. A BMC that refuses it, since it is off, is right.
 */
export async function switchOffUnseen(bmc: RedfishClient, host: string, options: Options): Promise<void> {
  try {
    await bmc.setPowerState('Off', { ...options, urgent: true, isSentAnyway: true });
  } catch (error) {
    if (!(error instanceof RedfishError) || error.kind !== 'Refused') throw fromRedfish(error, host);
    log.info('the BMC does not switch a server off that shows off', { host, why: error.message });
  }
}

/** Whether the server is confirmed on within that time. A look that fails says neither: the caller looks again. */
export async function comesOn(bmc: RedfishClient, timeoutMs: number, options: Options): Promise<boolean> {
  // Less is no time for a look: it would only break the connection.
  if (timeoutMs < LOOK_MS) return false;
  try {
    return await bmc.waitForPowerState('On', { timeoutMs, ...looking(options) });
  } catch (error) {
    if (options.signal?.aborted === true || !(error instanceof RedfishError) || !error.retryable) throw error;
    return false;
  }
}

async function shutDown(bmc: RedfishClient, options: Options, limitMs: number): Promise<boolean> {
  try {
    await bmc.setPowerState('GracefulShutdown', { ...options, urgent: true });
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    const failure = fromRedfish(error, '');
    if (failure !== error && (isClaimLost(failure) || isDifferentServer(failure))) throw failure;
    return false;
  }
  return bmc.waitForPowerState('Off', { timeoutMs: limitMs, ...looking(options) });
}

/**
 * PXE once, read back; On; confirmed on (rule 5). A command that was accepted and not done is sent again. Nothing is
 * sent to a server that is not off, however long ago the caller saw it off: then it is only waited for.
 */
export async function switchOn(
  bmc: RedfishClient,
  host: string,
  options: Options,
  seeOnMs = ON_TAKES_MS,
): Promise<void> {
  let sent = 0;
  for (let tries = 1; tries <= ON_TRIES; tries += 1) {
    const isOff = await bmc.setBootSourcePXE(options);
    if (isOff) {
      await bmc.setPowerState('On', options);
      sent += 1;
    }
    if (await bmc.waitForPowerState('On', { timeoutMs: seeOnMs, ...looking(options) })) return;
    if (!isOff) break;
    log.warn('the server is still off, sending the command again', { host, tries });
  }
  throw bmcFailure(
    sent === 0
      ? `the server of host ${host} is neither off nor on by its BMC: nothing was sent`
      : `BMC of host ${host} accepted the power-on ${sent === 1 ? 'once' : `${sent} times`}, but power-on was not confirmed`,
    'PowerOnNotSeen',
  );
}

/** A look at the same server, ended by the same signal. */
function looking({ signal, identify }: Options): Pick<Options, 'signal' | 'identify'> {
  return { ...(signal ? { signal } : {}), ...(identify ? { identify } : {}) };
}
