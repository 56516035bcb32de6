import { ApplicationFailure } from '@temporalio/common';
import { connectionHash } from '../../model/connection.ts';
import { FINALIZER_HOST } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOST_REASONS } from '../../crds/reasons.ts';
import type { ServerShown } from '../../model/serverIdentity.ts';
import { isBeingDeleted } from '../../model/stops.ts';
import type { HostInput, ObjectRef } from '../../contracts/names.ts';
import { withinMs } from '../activityScope.ts';
import { ownClaimedSecrets } from './claimedSecrets.ts';
import { connectBmc } from '../bmc/bmcConnection.ts';
import type { Dependencies } from '../dependencies.ts';
import { isAnotherServer, recordServer } from './enrolledServer.ts';
import { poolOf, reportFailure, writeEnrolled, type FailedAttempt } from './enrolledStatus.ts';
import { CLAIMED, refusal } from './enrollRefusal.ts';
import { fromRedfish, isRefusedWrite, noWorker, refusedWrite } from '../failures.ts';
import { recordHandedOver } from '../provision/handOver.ts';
import { disownFormerSecrets, ownSecrets } from '../store/hostSecrets.ts';
import { patchHost, readHost } from '../store/hostStore.ts';
import { writeNotReady } from '../bmc/notReady.ts';
import { ENROLL_MS } from '../../model/deadlines.ts';

/** One attempt to enroll a host, which has to have the uid of `host`. */
export interface EnrollInput {
  readonly host: ObjectRef;
  /** Failed attempts in a row so far. */
  readonly failures: number;
}

/** What an attempt to enroll a host came to. */
export type EnrollResult =
  { readonly kind: 'enrolled' } | { readonly kind: 'notDue'; readonly message: string } | FailedAttempt;

const LIMITS = { systemMs: ENROLL_MS.system, networkMs: ENROLL_MS.network };
const late = (systemMs: number) =>
  `its system was not read within ${systemMs / 1000} s; what was found of the way to it is kept for the next attempt`;

/**
 * One attempt to enroll a host: connect, read the system, write hardware, addresses and state Available. Changes
 * nothing at the BMC; a running server stays on (rules 3 and 7). Of a claimed host only the Secrets are marked that it
 * names. A BMC that cannot be used is a result, told on the host with the time of the next attempt. `limits`: until
 * when its system, and then its network, has to be read, in milliseconds from the start.
 */
export async function enrollHost(
  deps: Dependencies,
  input: EnrollInput,
  signal: AbortSignal,
  limits = LIMITS,
): Promise<EnrollResult> {
  const { name } = input.host;
  const due = await lookAt(deps, input.host, signal);
  if (due.kind === 'notDue') return due;
  const { host } = due;
  const usedHash = connectionHash(host.spec);
  const beganMs = performance.now();
  let isAnother = false;
  try {
    const owned = await ownHost(deps, host);
    await ownSecrets(deps, owned);
    const bmc = await connectBmc(deps, owned, 'fresh');
    let shown: ServerShown = {};
    const identify = (read: ServerShown) => void (shown = read);
    const slow = { message: `the BMC of host ${name} is slow: ${late(limits.systemMs)}`, kind: 'Timeout' };
    const info = await withinMs(limits.systemMs, signal, slow, (limited) =>
      bmc.getSystemInfo({ signal: limited, identify }),
    );
    const leftMs = limits.networkMs - (performance.now() - beganMs);
    const network = await bmc.readNetwork({ signal, timeoutMs: Math.max(0, leftMs) });
    const found = { info, network, shown };
    isAnother = isAnotherServer(owned, shown);
    const mayStill = (live: PhysicalHost) => refusal(live, host.metadata.uid) === undefined;
    const recorded = await recordServer(deps, owned, found, mayStill);
    const secrets = await disownFormerSecrets(deps, recorded);
    const credentials = bmc.acceptedVersion ?? null;
    await writeEnrolled(deps, recorded, found, isAnother, { connectionHash: usedHash, secrets, credentials });
    return { kind: 'enrolled' };
  } catch (error) {
    if (signal.aborted) throw error;
    const failure = isRefusedWrite(error)
      ? refusedWrite(`host ${name} cannot be enrolled`, error)
      : fromRedfish(error, name);
    if (!(failure instanceof ApplicationFailure)) throw failure;
    if (failure.type === 'ClaimLost') return { kind: 'notDue', message: failure.message };
    return reportFailure(deps, host, failure, { attempt: input.failures + 1, usedHash, isAnother });
  }
}

/** `pending`: it is reported on the host; the next attempt is for the workers of `pool`, null: those without a pool. */
export type EnrollUnservedResult =
  | { readonly kind: 'notDue'; readonly message: string }
  /** `pool`: as above. */
  | { readonly kind: 'pending'; readonly message: string; readonly pool: string | null };

/**
 * When no worker of the host's pool takes it: that is reported on the host. What was known of it stays (an Available
 * host is looked at again only when its connection has changed). Calls no BMC.
 */
export async function enrollHostUnserved(
  deps: Dependencies,
  { namespace, name, uid }: HostInput,
): Promise<EnrollUnservedResult> {
  const due = await lookAt(deps, { namespace, name, uid });
  if (due.kind === 'notDue') return due;
  const { host } = due;
  const failure = noWorker(name, host.spec.redfishConnection.workerPool);
  const message = `${failure.message}. It continues as soon as one picks it up.`;
  const isDue = (live: PhysicalHost) => refusal(live, uid) === undefined;
  await writeNotReady(deps.kube, { namespace, host: name }, { reason: HOST_REASONS.noWorker, message }, { isDue });
  return { kind: 'pending', message, pool: poolOf(host) };
}

/**
 * The live read that decides whether an enrolment is due. The Secrets of a claimed host are marked, and what it lost of
 * its status is written, which takes no BMC and waits for no worker.
 */
async function lookAt(
  deps: Dependencies,
  { namespace, name, uid }: HostInput,
  signal?: AbortSignal,
): Promise<
  { readonly kind: 'due'; readonly host: PhysicalHost } | { readonly kind: 'notDue'; readonly message: string }
> {
  const host = await readHost(deps.kube, namespace, name, signal);
  const refused = refusal(host, uid);
  if (host && refused === CLAIMED) {
    await recordHandedOver(deps, host);
    return { kind: 'notDue', message: await markClaimed(deps, host) };
  }
  if (refused !== undefined || !host)
    return { kind: 'notDue', message: `PhysicalHost ${namespace}/${name} ${refused ?? 'is gone'}` };
  return { kind: 'due', host };
}

/**
 * The Secrets of a claimed host; where they may not be written, that is reported, and tried again with the watcher's
 * next look.
 */
async function markClaimed(deps: Dependencies, host: PhysicalHost): Promise<string> {
  try {
    return await ownClaimedSecrets(deps, host);
  } catch (error) {
    if (!isRefusedWrite(error)) throw error;
    const { message } = refusedWrite(`the Secrets of host ${host.metadata.name} cannot be marked as in use`, error);
    deps.recorder.event(host, 'Warning', 'SecretNotMarked', message);
    return message;
  }
}

/** Our finalizer on the host, so that its server is switched off before it goes. */
function ownHost(deps: Dependencies, host: PhysicalHost): Promise<PhysicalHost> {
  const key = { namespace: host.metadata.namespace, host: host.metadata.name };
  return patchHost(
    deps.kube,
    key,
    (live) => {
      const finalizers = live.metadata.finalizers ?? [];
      if (finalizers.includes(FINALIZER_HOST) || isBeingDeleted(live)) return undefined;
      return { metadata: { finalizers: [...finalizers, FINALIZER_HOST] } };
    },
    host,
  );
}
