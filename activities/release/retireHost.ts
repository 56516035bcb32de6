import type { ApplicationFailure } from '@temporalio/common';
import { isUnclaimed } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { forceReleaseCommand } from '../../model/forceRelease.ts';
import { FINALIZER_HOST } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { isRecordedPlace, recordedServer } from '../../model/serverIdentity.ts';
import { isBeingDeleted, stopOf } from '../../model/stops.ts';
import { bmcTaskQueue, type ObjectRef } from '../../contracts/names.ts';
import { withinMs } from '../activityScope.ts';
import { BmcCalls, settle } from '../bmc/bmcCalls.ts';
import { connectBmc } from '../bmc/bmcConnection.ts';
import type { Dependencies } from '../dependencies.ts';
import {
  fromRedfish,
  isBmcFailure,
  differentServer,
  isClaimLost,
  isDifferentServer,
  isNoWorker,
  unserved,
} from '../failures.ts';
import { retireFence } from '../bmc/fence.ts';
import { countedForce } from './earlyForce.ts';
import { disownSecrets, markedSecrets } from '../store/hostSecrets.ts';
import { patchHost, readHost } from '../store/hostStore.ts';
import { bmcConditions, writeNotReady } from '../bmc/notReady.ts';
import { switchOff } from '../bmc/power.ts';
import { sharedMessage } from '../bmc/serverCheck.ts';
import { BMC_ACTIVITY_MS } from '../../model/deadlines.ts';

/** `attempt` counts from 1; it and the wait before the next one are reported on the host. */
export interface RetireInput {
  readonly host: ObjectRef;
  readonly attempt: number;
  readonly nextAttemptInMs: number;
}

/** `off`: the host may go; `secrets` are the names of those that it used, for `removeHostFinalizer`. */
export type RetireResult =
  | { readonly kind: 'off'; readonly secrets: readonly string[] }
  /**
   * Something that was sent may still arrive at the BMC, until then at most (RFC 3339): it is looked at again after
   * that.
   */
  | { readonly kind: 'inFlight'; readonly until: string }
  | { readonly kind: 'notDue'; readonly message: string }
  /** The next attempt is for the workers of `pool`, null: those without one. */
  | { readonly kind: 'pending'; readonly pool: string | null };

/**
 * Switches off the server of a host that is being deleted and that has no claim, and confirms its power-off (the only
 * call that is allowed here, rule 3). `beskar7.io/force-release` lets a host go whose BMC does not do it. No call is
 * made for a host that was never enrolled (its server was never switched on by us), whose address changed since, or for
 * whose server another host comes first; nothing is sent to another server than was enrolled. Such a host goes, and an
 * event tells why. `taskQueue`: whose worker this is. When the host's pool is another one by now, its BMC is for that
 * one to call (`pending`).
 */
export async function retireHost(
  deps: Dependencies,
  input: RetireInput,
  signal: AbortSignal,
  taskQueue?: string,
  limitMs = BMC_ACTIVITY_MS,
): Promise<RetireResult> {
  const { name } = input.host;
  const until = performance.now() + limitMs;
  const message = `power-off of host ${name} was not confirmed within ${Math.round(limitMs / 1000)} s: its BMC is slow, or does not carry out what it accepts`;
  return retire(deps, input, signal, async (host) => {
    const pool = host.spec.redfishConnection.workerPool;
    if (taskQueue !== undefined && taskQueue !== bmcTaskQueue(pool)) return { kind: 'pending', pool: pool ?? null };
    const { namespace = '' } = host.metadata;
    const calls = new BmcCalls(deps.kube, { namespace, host: name, limitMs });
    await calls.during(() =>
      withinMs(until - performance.now(), signal, { message, kind: 'PowerOffNotSeen' }, async (limited) => {
        const bmc = await connectBmc(deps, host, input.attempt > 1 ? 'fresh' : 'recent');
        await switchOff(bmc, name, retireFence(deps, calls, host, limited));
      }),
    );
    return undefined;
  });
}

/** A retirement that no worker carried out to its end. */
export interface RetireUnservedInput extends RetireInput {
  /** What became of an attempt whose end was not confirmed; absent: no worker took it. */
  readonly unconfirmed?: string;
}

/**
 * The same when no worker of the host's pool takes it, or when the end of the attempt was not confirmed: told on the
 * host, where an operator may say to do without. Calls no BMC.
 */
export async function retireHostUnserved(deps: Dependencies, input: RetireUnservedInput): Promise<RetireResult> {
  const { unconfirmed } = input;
  let pool: string | undefined;
  try {
    return await retire(deps, input, new AbortController().signal, ({ metadata, spec }) => {
      pool = spec.redfishConnection.workerPool;
      return Promise.reject(unserved(metadata.name, pool, unconfirmed));
    });
  } catch (error) {
    if (isBmcFailure(error)) return { kind: 'pending', pool: pool ?? null };
    throw error;
  }
}

async function retire(
  deps: Dependencies,
  input: RetireInput,
  signal: AbortSignal,
  seeOff: (host: PhysicalHost) => Promise<RetireResult | undefined>,
): Promise<RetireResult> {
  const { namespace, name, uid } = input.host;
  const found = await readHost(deps.kube, namespace, name, signal);
  const refused = refusal(found, uid);
  if (refused !== undefined || !found)
    return { kind: 'notDue', message: `PhysicalHost ${namespace}/${name} ${refused ?? 'is gone'}` };
  const { host, reason: forced } = await countedForce(deps, found, isHeldUp(found));
  const retireByForce = (reason: string) =>
    deps.recorder.event(
      host,
      'Warning',
      'ForceReleased',
      `Deleted without confirmed power-off: "${reason.slice(0, 200)}"`,
    );
  if (forced !== undefined) retireByForce(forced);
  else {
    try {
      const why = whyNotItsServer(deps, host);
      if (why !== undefined) throw why;
      const other = await seeOff(host);
      if (other !== undefined) return other;
    } catch (error) {
      const failure = fromRedfish(error, name);
      if (signal.aborted || isClaimLost(failure)) throw failure;
      if (isDifferentServer(failure))
        deps.recorder.event(host, 'Warning', 'DeletedUnseen', unseenMessage(host, failure));
      else {
        await reportFailure(deps, host, input, failure);
        throw failure;
      }
    }
  }
  // The server may be registered again at once, and what is in flight would arrive there.
  const settledAt = await settle(deps.kube, { namespace, host: name });
  if (settledAt !== undefined) return { kind: 'inFlight', until: new Date(settledAt).toISOString() };
  return { kind: 'off', secrets: markedSecrets(host) };
}

/** Whether the host says that it cannot be switched off: what is set after that is meant for it. */
function isHeldUp({ status }: PhysicalHost): boolean {
  return findCondition(status?.conditions, CONDITIONS.ready)?.reason === HOST_REASONS.releasePending;
}

/** A host that was retired (`off`). */
export interface RemoveHostFinalizerInput {
  readonly host: ObjectRef;
  /** Names of the Secrets that it used. */
  readonly secrets: readonly string[];
}

/** Whether the finalizer is off the host. */
export type RemoveHostFinalizerResult =
  | { readonly kind: 'gone' }
  /**
   * It was paused, say, after the power-off of its server was confirmed: it keeps our finalizer, and its Secrets
   * theirs.
   */
  | { readonly kind: 'notDue'; readonly message: string };

/**
 * Takes our finalizer off a host whose power-off was confirmed, and then off its Secrets where no other host holds
 * them. Can run twice.
 */
export async function removeHostFinalizer(
  deps: Dependencies,
  { host: ref, secrets }: RemoveHostFinalizerInput,
): Promise<RemoveHostFinalizerResult> {
  const { namespace, name, uid } = ref;
  const left = await takeFinalizer(deps, ref);
  if (left !== undefined && isHeld(left, uid)) {
    return { kind: 'notDue', message: `PhysicalHost ${namespace}/${name} ${refusal(left, uid) ?? 'has changed'}` };
  }
  await disownSecrets(deps, ref, secrets);
  return { kind: 'gone' };
}

/** The host as it is then; undefined when it is gone. */
async function takeFinalizer(deps: Dependencies, { namespace, name, uid }: ObjectRef) {
  const host = await readHost(deps.kube, namespace, name);
  if (!host || !isHeld(host, uid)) return undefined;
  try {
    return await patchHost(
      deps.kube,
      { namespace, host: name },
      (live) => {
        if (refusal(live, uid) !== undefined) return undefined;
        const finalizers = live.metadata.finalizers ?? [];
        return { metadata: { finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_HOST) } };
      },
      host,
    );
  } catch (error) {
    // Gone between two steps: that is what was wanted.
    if (!isClaimLost(error)) throw error;
    return undefined;
  }
}

function isHeld({ metadata }: PhysicalHost, uid: string): boolean {
  return metadata.uid === uid && (metadata.finalizers ?? []).includes(FINALIZER_HOST);
}

function refusal(host: PhysicalHost | undefined, uid: string): string | undefined {
  if (!host || host.metadata.uid !== uid) return `(uid ${uid}) is gone`;
  const { finalizers = [] } = host.metadata;
  if (!isBeingDeleted(host)) return 'is not being deleted';
  const stop = stopOf(host, ['Moving', 'Paused']);
  if (stop) return stop.text;
  if (!finalizers.includes(FINALIZER_HOST)) return 'has no finalizer of ours';
  if (!isUnclaimed(host)) return 'is claimed';
  return undefined;
}

/** Why no call is made at all: the server at that address is not (only) this host's. */
function whyNotItsServer(deps: Dependencies, host: PhysicalHost): ApplicationFailure | undefined {
  const recorded = recordedServer(host);
  if (recorded === undefined)
    return differentServer('it was never enrolled, so that no server is known to be its own', 'DifferentServer');
  if (!isRecordedPlace(host, recorded))
    return differentServer(
      `it was enrolled at ${recorded.address}, and its BMC address is another one now`,
      'DifferentServer',
    );
  const duplicate = deps.caches.duplicateOf(host);
  if (duplicate === undefined || duplicate.isFirst) return undefined;
  return differentServer(sharedMessage(host, duplicate), 'DuplicateServer');
}

function unseenMessage(host: PhysicalHost, failure: ApplicationFailure): string {
  return `Host ${host.metadata.name} is deleted and its BMC gets no power-off: ${failure.message}.`;
}

async function reportFailure(
  deps: Dependencies,
  host: PhysicalHost,
  input: RetireInput,
  failure: unknown,
): Promise<void> {
  const reason = failure instanceof Error ? failure.message : String(failure);
  const isUnserved = isNoWorker(failure);
  const next = isUnserved
    ? 'It continues as soon as one picks it up'
    : `Attempt ${input.attempt}; next at ${new Date(Date.now() + input.nextAttemptInMs).toISOString()}`;
  const message =
    `The server cannot be switched off, so the host is not deleted yet: ${reason}. ${next}. ` +
    `To delete it without: ${forceReleaseCommand(host.metadata)}`;
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  const why = { reason: HOST_REASONS.releasePending, message, conditions: bmcConditions(failure) };
  await writeNotReady(deps.kube, key, why, { isDue: () => true, start: host });
}
