import type { ApplicationFailure } from '@temporalio/common';
import { withConditions, withoutCondition, type ConditionPatch } from '../../crds/conditions.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import { isRecordedPlace, recordedServer } from '../../model/serverIdentity.ts';
import type { Dependencies } from '../dependencies.ts';
import { REACHABLE, reachabilityReason } from '../bmc/reachability.ts';
import { bmcConditions, writeNotReady } from '../bmc/notReady.ts';
import { isOn, unexpectedlyOn } from '../bmc/unexpectedlyOn.ts';
import { markedSecrets } from '../store/hostSecrets.ts';
import { patchHostStatus, type StatusPatch } from '../store/hostStore.ts';
import { FOUND_ANEW, interfacesUnread, networkBootNotOffered, plainHttp } from './enrolledConditions.ts';
import {
  addressesFound,
  bootMacUnknown,
  forgottenServer,
  hardwareFound,
  macsFound,
  type FoundServer,
} from './enrolledServer.ts';
import { refusal } from './enrollRefusal.ts';
import { nextAttemptInMs } from './enrollRetry.ts';

/** An attempt that failed: what the host says of it, and when the next one is due. */
export interface FailedAttempt {
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
}

/** Writes what was found: state Available, free to be claimed. Nothing when the host may not be enrolled any more. */
export async function writeEnrolled(
  deps: Dependencies,
  host: PhysicalHost,
  found: FoundServer,
  isAnother: boolean,
  enrollment: { readonly connectionHash: string; readonly secrets: string[]; readonly credentials: string | null },
): Promise<void> {
  const key = { namespace: host.metadata.namespace, host: host.metadata.name };
  const { info, network } = found;
  const { interfaces: nics, problem } = network;
  const unknownMac = bootMacUnknown(host, network);
  await patchHostStatus(
    deps.kube,
    key,
    (live) => {
      if (refusal(live, host.metadata.uid) !== undefined) return undefined;
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

/** Writes why an attempt failed, with the time of the next one; gives the result of the activity. */
export async function reportFailure(
  deps: Dependencies,
  host: PhysicalHost,
  failure: ApplicationFailure,
  {
    attempt,
    usedHash,
    isAnother,
  }: { readonly attempt: number; readonly usedHash: string; readonly isAnother: boolean },
): Promise<FailedAttempt> {
  const reason = reachabilityReason(failure);
  const delayMs = nextAttemptInMs(reason, attempt);
  const nextAttemptAt = new Date(Date.now() + delayMs).toISOString();
  const message = `${failure.message}. Attempt ${attempt}; the next one is due at ${nextAttemptAt}, or as soon as the host changes.`;
  const key = { namespace: host.metadata.namespace, host: host.metadata.name };
  await writeNotReady(
    deps.kube,
    key,
    {
      reason,
      message,
      conditions: bmcConditions(failure, message),
      found: { [CONDITIONS.plainHTTP]: plainHttp },
    },
    {
      isDue: (live) => refusal(live, host.metadata.uid) === undefined,
      more: (live) => ({
        ...(isAnother || isElsewhere(live) ? forgottenServer() : {}),
        // What this attempt may have marked is let go by the one that succeeds.
        enrollment: {
          connectionHash: usedHash,
          attempt,
          nextAttemptAt,
          secrets: markedSecrets(live),
          ...(live.status?.enrollment?.connectionHash === usedHash ? {} : { foundOn: null, credentials: null }),
        },
      }),
    },
  );
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

/** `workerPool` of a host, null: none. */
export function poolOf(host: PhysicalHost): string | null {
  return host.spec.redfishConnection.workerPool ?? null;
}
