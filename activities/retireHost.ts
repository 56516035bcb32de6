import { ApplicationFailure } from '@temporalio/common';
import { isUnclaimed } from '../crds/claim.ts';
import { withConditions, type ConditionPatch } from '../crds/conditions.ts';
import {
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_FORCE_RELEASE,
  ANNOTATION_PAUSED,
  FINALIZER_HOST,
} from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../crds/reasons.ts';
import type { ObjectRef } from '../workflows/names.ts';
import { connectBmc } from './bmcConnection.ts';
import type { Dependencies } from './dependencies.ts';
import { fromRedfish, isBmcFailure, isNoWorker, noWorker } from './failures.ts';
import { retireFence } from './fence.ts';
import { disownSecrets, markedSecrets } from './hostSecrets.ts';
import { patchHost, patchHostStatus, readHost } from './hostStore.ts';
import { switchOff } from './power.ts';

export interface RetireInput {
  readonly host: ObjectRef;
  readonly attempt: number;
  readonly nextAttemptInMs: number;
}

export type RetireResult =
  { readonly kind: 'off'; readonly secrets: readonly string[] } | { readonly kind: 'notDue'; readonly message: string };

/**
 * Switches off the server of a host that is being deleted and that nobody has claimed, and sees it off (the only call that is allowed
 * here, rule 3). `beskar7.io/force-release` skips the BMC. A host that was never enrolled goes also when its BMC does not answer: its server
 * was never switched on by us, and a mistyped address must not hold up its deletion.
 */
export async function retireHost(deps: Dependencies, input: RetireInput, signal: AbortSignal): Promise<RetireResult> {
  return retire(deps, input, signal, async (host) => {
    const { namespace, name, uid } = input.host;
    const bmc = await connectBmc(deps, host, input.attempt > 1 ? 'fresh' : 'recent');
    const options = retireFence(deps.kube, { namespace, host: name, hostUid: uid }, signal);
    await switchOff(bmc, name, options, { totalMs: 100_000 });
  });
}

/**
 * The same when no worker of the host's pool takes it: told on the host, where an operator may say to do without. Calls no BMC.
 * `pending`: the next attempt is for the workers of `pool`, null: those without one.
 */
export async function retireHostUnserved(
  deps: Dependencies,
  input: RetireInput,
): Promise<RetireResult | { readonly kind: 'pending'; readonly pool: string | null }> {
  let pool: string | undefined;
  try {
    return await retire(deps, input, new AbortController().signal, ({ metadata, spec }) => {
      pool = spec.redfishConnection.workerPool;
      return Promise.reject(noWorker(metadata.name, pool));
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
  act: (host: PhysicalHost) => Promise<void>,
): Promise<RetireResult> {
  const { namespace, name, uid } = input.host;
  const host = await readHost(deps.kube, namespace, name, signal);
  const refused = refusal(host, uid);
  if (refused !== undefined || !host)
    return { kind: 'notDue', message: `PhysicalHost ${namespace}/${name} ${refused ?? 'is gone'}` };
  const forced = host.metadata.annotations?.[ANNOTATION_FORCE_RELEASE];
  if (forced === undefined) {
    try {
      await act(host);
    } catch (error) {
      const failure = fromRedfish(error, name);
      if (signal.aborted) throw failure;
      if (!isBmcFailure(failure) || wasEnrolled(host)) {
        await tellFailure(deps, host, input, failure);
        throw failure;
      }
      deps.recorder.event(host, 'Warning', 'DeletedUnseen', unseenMessage(name, failure));
    }
  } else {
    deps.recorder.event(host, 'Warning', 'ForceReleased', `Deleted without being seen off: "${forced.slice(0, 200)}"`);
  }
  return { kind: 'off', secrets: markedSecrets(host) };
}

export interface LetHostGoInput {
  readonly host: ObjectRef;
  /** Names of the Secrets that it used. */
  readonly secrets: readonly string[];
}

/**
 * Takes our finalizer off a host that was seen off, and then off its Secrets where no other host holds them. Can run twice.
 */
export async function letHostGo(deps: Dependencies, { host: ref, secrets }: LetHostGoInput): Promise<void> {
  const { namespace, name, uid } = ref;
  const host = await readHost(deps.kube, namespace, name);
  if (host && host.metadata.uid === uid && refusal(host, uid) === undefined) {
    await patchHost(
      deps.kube,
      { namespace, host: name },
      (live) => {
        const finalizers = live.metadata.finalizers ?? [];
        if (live.metadata.uid !== uid || !isUnclaimed(live) || !finalizers.includes(FINALIZER_HOST)) return undefined;
        return { metadata: { finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER_HOST) } };
      },
      host,
    ).catch((error: unknown) => {
      // Gone between two steps: that is what was wanted.
      if (!(error instanceof ApplicationFailure) || error.type !== 'ClaimLost') throw error;
    });
  }
  await disownSecrets(deps, ref, secrets);
}

function refusal(host: PhysicalHost | undefined, uid: string): string | undefined {
  if (!host || host.metadata.uid !== uid) return `(uid ${uid}) is gone`;
  const { annotations = {}, deletionTimestamp, finalizers = [] } = host.metadata;
  if (deletionTimestamp === undefined) return 'is not being deleted';
  if (annotations[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return 'is being moved';
  if (annotations[ANNOTATION_PAUSED] !== undefined) return 'is paused';
  if (!finalizers.includes(FINALIZER_HOST)) return 'has no finalizer of ours';
  if (!isUnclaimed(host)) return 'is claimed';
  return undefined;
}

/** Hardware is written by the first enrolment, and stays. A claim would have survived a lost status (rule 1). */
function wasEnrolled({ status }: PhysicalHost): boolean {
  return status?.hardware !== undefined || status?.state === 'Available';
}

function unseenMessage(name: string, failure: ApplicationFailure): string {
  return `Host ${name} was never enrolled and is deleted without a call to its server: ${failure.message}`;
}

async function tellFailure(
  deps: Dependencies,
  host: PhysicalHost,
  input: RetireInput,
  failure: unknown,
): Promise<void> {
  const reason = failure instanceof Error ? failure.message : String(failure);
  const isUnserved = isNoWorker(failure);
  const next = isUnserved
    ? 'It goes on as soon as one takes it'
    : `Attempt ${input.attempt}; next at ${new Date(Date.now() + input.nextAttemptInMs).toISOString()}`;
  const message =
    `The server cannot be switched off, so the host is not deleted yet: ${reason}. ${next}. ` +
    `To delete it without: kubectl annotate physicalhost ${host.metadata.name} -n ${host.metadata.namespace ?? ''} ${ANNOTATION_FORCE_RELEASE}="<reason>"`;
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  const patches: ConditionPatch[] = [
    { type: CONDITIONS.ready, status: 'False', reason: HOST_REASONS.releasePending, message },
  ];
  if (!isUnserved) {
    const unreachable = { status: 'False', reason: HOST_REASONS.redfishError, message: reason } as const;
    patches.push({ type: CONDITIONS.redfishReachable, ...unreachable });
  }
  await patchHostStatus(
    deps.kube,
    key,
    (live) => ({
      state: 'Error',
      ready: false,
      conditions: withConditions(live.status?.conditions, patches, new Date().toISOString(), live.metadata.generation),
    }),
    host,
  );
}
