import { ApplicationFailure } from '@temporalio/common';
import { isUnclaimed } from '../../model/claim.ts';
import { withConditions, withoutCondition, type ConditionPatch } from '../../crds/conditions.ts';
import { connectionHash } from '../../model/connection.ts';
import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED, FINALIZER_HOST } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { isRecordedPlace, recordedServer, type ServerShown } from '../../model/serverIdentity.ts';
import type { HostInput, ObjectRef } from '../../contracts/names.ts';
import { withinMs } from '../activityScope.ts';
import { FOUND_ANEW, interfacesUnread, networkBootNotOffered, plainHttp } from './enrolledConditions.ts';
import { ownClaimedSecrets } from './claimedSecrets.ts';
import { connectBmc } from '../bmc/bmcConnection.ts';
import type { Dependencies } from '../dependencies.ts';
import {
  addressesFound,
  bootMacUnknown,
  forgottenServer,
  hardwareFound,
  isAnotherServer,
  macsFound,
  recordServer,
  type FoundServer,
} from './enrolledServer.ts';
import { fromRedfish, isRefusedWrite, noWorker, refusedWrite } from '../failures.ts';
import { recordHandedOver } from '../provision/handOver.ts';
import { disownFormerSecrets, markedSecrets, ownSecrets } from '../store/hostSecrets.ts';
import { patchHost, patchHostStatus, readHost, type StatusPatch } from '../store/hostStore.ts';
import { REACHABLE, reachabilityReason } from '../bmc/reachability.ts';
import { serverCondition } from '../bmc/serverCheck.ts';
import { isOn, unexpectedlyOn } from '../bmc/unexpectedlyOn.ts';

export interface EnrollInput {
  readonly host: ObjectRef;
  /** Failed attempts in a row so far. */
  readonly failures: number;
}

export type EnrollResult =
  | { readonly kind: 'enrolled' }
  | { readonly kind: 'notDue'; readonly message: string }
  | {
      readonly kind: 'failed';
      readonly message: string;
      /**
       * RFC 3339, by the clock of this worker: what the host says. The run waits for `retryInMs`, whatever clocks say.
       */
      readonly nextAttemptAt: string;
      readonly retryInMs: number;
      /** What of the spec this attempt was made with. */
      readonly connectionHash: string;
      /** `workerPool` of the host now, null: none. The next attempt is for its workers. */
      readonly pool?: string | null;
    };

const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 600_000;
/** Repeated log-ins with a wrong password lock accounts: never sooner. */
const REFUSED_PASSWORD_MS = 60_000;
/**
 * What a change of a Secret mends is tried at least so often, since nobody watches Secrets (docs/security.md): no
 * log-in is lost by it.
 */
const LONGEST_SECRET_MS = 60_000;
const MENDED_BY_SECRET: readonly string[] = [HOST_REASONS.secretMissing, HOST_REASONS.secretInvalid, HOST_REASONS.tls];
/** Only a person, or the end of another host, mends these. */
const NOT_OF_THE_WAY: readonly string[] = [
  HOST_REASONS.apiServerRefused,
  HOST_REASONS.differentServer,
  HOST_REASONS.duplicateServer,
];
const CLAIMED = 'is claimed';
/**
 * Temporal gives an enrolment 120 s. A slow BMC takes 20 to 30 s for each of the three requests that find its system:
 * they have most of that, and what was found is kept for the next attempt. Network interfaces get what is left, and a
 * write at the end its time.
 */
const LIMITS = { systemMs: 95_000, networkMs: 105_000 };
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
    const mayStill = (live: PhysicalHost) => refusal(live, host.metadata.uid ?? '') === undefined;
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
    return tellFailure(deps, host, failure, { attempt: input.failures + 1, usedHash, isAnother });
  }
}

export type EnrollUnservedResult =
  | { readonly kind: 'notDue'; readonly message: string }
  /** `pool`: as above. */
  | { readonly kind: 'pending'; readonly message: string; readonly pool: string | null };

/**
 * When no worker of the host's pool takes it: that is told on the host. What was known of it stays (an Available host
 * is looked at again only when its connection has changed). Calls no BMC.
 */
export async function enrollHostUnserved(
  deps: Dependencies,
  { namespace, name, uid }: HostInput,
): Promise<EnrollUnservedResult> {
  const due = await lookAt(deps, { namespace, name, uid });
  if (due.kind === 'notDue') return due;
  const { host } = due;
  const failure = noWorker(name, host.spec.redfishConnection.workerPool);
  const message = `${failure.message}. It goes on as soon as one takes it.`;
  await patchHostStatus(deps.kube, { namespace, host: name }, (live) => {
    if (refusal(live, uid) !== undefined) return undefined;
    const ready: ConditionPatch = { type: CONDITIONS.ready, status: 'False', reason: HOST_REASONS.noWorker, message };
    return {
      state: 'Error',
      ready: false,
      conditions: withConditions(live.status?.conditions, [ready], new Date().toISOString(), live.metadata.generation),
    };
  });
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
 * The Secrets of a claimed host; where they may not be written, that is told, and tried again with the watcher's next
 * look.
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

function refusal(host: PhysicalHost | undefined, uid: string): string | undefined {
  if (!host || host.metadata.uid !== uid) return `(uid ${uid}) is gone`;
  const { annotations = {}, deletionTimestamp } = host.metadata;
  if (deletionTimestamp !== undefined) return 'is being deleted';
  if (annotations[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return 'is being moved';
  if (annotations[ANNOTATION_PAUSED] !== undefined) return 'is paused';
  if (!isUnclaimed(host)) return CLAIMED;
  return undefined;
}

/** Our finalizer on the host, so that its server is switched off before it goes. */
function ownHost(deps: Dependencies, host: PhysicalHost): Promise<PhysicalHost> {
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  return patchHost(
    deps.kube,
    key,
    (live) => {
      const finalizers = live.metadata.finalizers ?? [];
      if (finalizers.includes(FINALIZER_HOST) || live.metadata.deletionTimestamp !== undefined) return undefined;
      return { metadata: { finalizers: [...finalizers, FINALIZER_HOST] } };
    },
    host,
  );
}

async function writeEnrolled(
  deps: Dependencies,
  host: PhysicalHost,
  found: FoundServer,
  isAnother: boolean,
  enrollment: { readonly connectionHash: string; readonly secrets: string[]; readonly credentials: string | null },
): Promise<void> {
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  const { info, network } = found;
  const { interfaces: nics, problem } = network;
  const unknownMac = bootMacUnknown(host, network);
  await patchHostStatus(
    deps.kube,
    key,
    (live) => {
      if (refusal(live, host.metadata.uid ?? '') !== undefined) return undefined;
      const patches: ConditionPatch[] = [
        { type: CONDITIONS.ready, status: 'True', reason: HOST_REASONS.enrolled, message: 'Free to be claimed.' },
        REACHABLE,
        ...(unknownMac === undefined ? [] : [unknownMac]),
      ];
      const clear = plainHttp(live);
      if (clear) patches.push(clear);
      // A server that runs when it is enrolled is left running (rule 7); one that was released here before had to be
      // off.
      const { enrollment: before, conditions } = live.status ?? {};
      const hasToBeOff = before?.foundOn === false && before.connectionHash === enrollment.connectionHash;
      const foundOn = isOn(info.powerState) && !hasToBeOff;
      if (isOn(info.powerState) && hasToBeOff) patches.push(unexpectedlyOn(live));
      const notBootable = networkBootNotOffered(live, info);
      if (notBootable) patches.push(notBootable);
      if (problem !== undefined) patches.push(interfacesUnread(problem));
      return {
        ...(isAnother ? forgottenServer() : {}),
        state: 'Available',
        ready: true,
        powerState: info.powerState,
        hardware: hardwareFound(found),
        macAddresses: macsFound(nics),
        addresses: addressesFound(nics),
        bootToken: null,
        inspection: null,
        handover: null,
        enrollment: { ...enrollment, attempt: 0, nextAttemptAt: null, foundOn },
        conditions: withConditions(
          FOUND_ANEW.reduce(withoutCondition, conditions),
          patches,
          new Date().toISOString(),
          live.metadata.generation,
        ),
      } as StatusPatch;
    },
    host,
  );
  if (unknownMac !== undefined) deps.recorder.event(host, 'Warning', 'BootMACUnknown', unknownMac.message);
}

async function tellFailure(
  deps: Dependencies,
  host: PhysicalHost,
  failure: ApplicationFailure,
  {
    attempt,
    usedHash,
    isAnother,
  }: { readonly attempt: number; readonly usedHash: string; readonly isAnother: boolean },
): Promise<EnrollResult> {
  const reason = reachabilityReason(failure);
  const delayMs = nextAttemptInMs(reason, attempt);
  const nextAttemptAt = new Date(Date.now() + delayMs).toISOString();
  const message = `${failure.message}. Attempt ${attempt}; the next one is due at ${nextAttemptAt}, or as soon as the host changes.`;
  const key = { namespace: host.metadata.namespace ?? '', host: host.metadata.name };
  await patchHostStatus(deps.kube, key, (live) => {
    if (refusal(live, host.metadata.uid ?? '') !== undefined) return undefined;
    const patches: ConditionPatch[] = [{ type: CONDITIONS.ready, status: 'False', reason, message }];
    // A write that was refused, or a server that answers and is another one, says nothing of the BMC.
    if (!NOT_OF_THE_WAY.includes(reason))
      patches.push({ type: CONDITIONS.redfishReachable, status: 'False', reason, message });
    patches.push(...serverCondition(failure));
    return {
      ...(isAnother || isElsewhere(live) ? forgottenServer() : {}),
      state: 'Error',
      ready: false,
      // What this attempt may have marked is let go by the one that succeeds.
      enrollment: {
        connectionHash: usedHash,
        attempt,
        nextAttemptAt,
        secrets: markedSecrets(live),
        ...(live.status?.enrollment?.connectionHash === usedHash ? {} : { foundOn: null, credentials: null }),
      },
      conditions: withConditions(live.status?.conditions, patches, new Date().toISOString(), live.metadata.generation),
    };
  });
  deps.recorder.event(host, 'Warning', 'EnrollmentFailed', message);
  return {
    kind: 'failed',
    message: failure.message,
    nextAttemptAt,
    retryInMs: delayMs,
    connectionHash: usedHash,
    pool: poolOf(host),
  };
}

/** What is known is of the server at an earlier address. */
function isElsewhere(host: PhysicalHost): boolean {
  const recorded = recordedServer(host);
  return recorded !== undefined && !isRecordedPlace(host, recorded);
}

function poolOf(host: PhysicalHost): string | null {
  return host.spec.redfishConnection.workerPool ?? null;
}

/**
 * 2 s, doubling, at most 10 minutes, which also a duplicate waits; at most one where a Secret may be to blame, and just
 * that after a refused password.
 */
export function nextAttemptInMs(reason: string, attempt: number): number {
  if (reason === HOST_REASONS.unauthorized || reason === HOST_REASONS.passwordChangeRequired)
    return REFUSED_PASSWORD_MS;
  if (reason === HOST_REASONS.duplicateServer) return LONGEST_RETRY_MS;
  const longest = MENDED_BY_SECRET.includes(reason) ? LONGEST_SECRET_MS : LONGEST_RETRY_MS;
  return Math.min(longest, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 20));
}
