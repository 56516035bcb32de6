import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { claimOf, type ClaimStage } from '../../../model/claim.ts';
import { ANNOTATION_FORCE_RELEASE, ANNOTATION_SERVER } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { CONDITIONS } from '../../../crds/reasons.ts';

/** A host as one write left it, as far as the rules ask. Times in milliseconds since the epoch. */
export interface HostView {
  /** It was written after `notBefore` and before `at`. */
  readonly at: number;
  readonly notBefore: number;
  readonly uid: string;
  readonly claim?: {
    readonly id: string;
    readonly stage: ClaimStage;
    readonly since: number;
    readonly tokenHash?: string;
    readonly bootSecret?: string;
    /** Why it is being released. */
    readonly reason?: string;
  };
  readonly consumer?: { readonly name: string; readonly uid: string };
  /** The serial number of the server that the host stands for, as its annotation records it. */
  readonly serialNumber?: string;
  readonly isDeleting: boolean;
  readonly isForced: boolean;
  readonly isGone: boolean;
  /** States between this one and the one before may be missing. */
  readonly isAfterGap: boolean;
  readonly state: string;
  readonly ready: { readonly reason: string; readonly message: string } | undefined;
  /** What the condition RedfishReachable says. */
  readonly reachable: string;
  /** What the server said of its hand-over, and for which claim. */
  readonly handover?: { readonly claim: string; readonly outcome?: string; readonly isOsReady: boolean };
  /** The claim whose report stands on the host, and whose inspection has timed out. */
  readonly reportOf?: string;
  readonly timeoutOf?: string;
}

export function hostView(
  host: PhysicalHost,
  times: { at: number; notBefore: number; isGone: boolean; isAfterGap: boolean },
): HostView {
  const claim = claimOf(host);
  const { consumerRef } = host.spec;
  const { inspection, inspectionPhase, handover, state = '', conditions } = host.status ?? {};
  return {
    ...times,
    uid: host.metadata.uid ?? '',
    isDeleting: host.metadata.deletionTimestamp !== undefined,
    isForced: host.metadata.annotations?.[ANNOTATION_FORCE_RELEASE] !== undefined,
    state,
    ready: readyOf(conditions),
    reachable: conditions?.find(({ type }) => type === CONDITIONS.redfishReachable)?.message ?? '',
    ...(handover?.claim === undefined
      ? {}
      : {
          handover: {
            claim: handover.claim,
            ...(handover.outcome === undefined ? {} : { outcome: handover.outcome }),
            isOsReady: handover.osReadyAt !== undefined,
          },
        }),
    ...(claim
      ? {
          claim: {
            id: claim.id,
            stage: claim.stage,
            since: Date.parse(claim.since),
            ...(claim.tokenHash === undefined ? {} : { tokenHash: claim.tokenHash }),
            ...(claim.bootSecret === undefined ? {} : { bootSecret: claim.bootSecret }),
            ...(claim.reason === undefined ? {} : { reason: claim.reason }),
          },
        }
      : {}),
    ...serialOf(host.metadata.annotations?.[ANNOTATION_SERVER]),
    ...(consumerRef ? { consumer: { name: consumerRef.name, uid: consumerRef.uid ?? '' } } : {}),
    ...(inspection?.claim !== undefined && inspection.reportDigest !== undefined ? { reportOf: inspection.claim } : {}),
    ...(inspection?.claim !== undefined && inspectionPhase === 'Timeout' ? { timeoutOf: inspection.claim } : {}),
  };
}

/** By the harness's own reading of the annotation. */
function serialOf(recorded: string | undefined): Pick<HostView, 'serialNumber'> {
  const serialNumber = /"serialNumber"\s*:\s*"([^"]+)"/.exec(recorded ?? '')?.[1];
  return serialNumber === undefined ? {} : { serialNumber };
}

/** A machine as one write left it. */
export interface MachineView {
  readonly at: number;
  readonly uid: string;
  readonly phase: string;
  readonly ready: { readonly reason: string; readonly message: string } | undefined;
  readonly isDeleting: boolean;
  readonly readyWhen: 'HandedOver' | 'OSReported';
}

export function machineView(machine: Beskar7Machine, at: number): MachineView {
  return {
    at,
    uid: machine.metadata.uid ?? '',
    phase: machine.status?.phase ?? '',
    ready: readyOf(machine.status?.conditions),
    isDeleting: machine.metadata.deletionTimestamp !== undefined,
    readyWhen: machine.spec.readyWhen ?? 'HandedOver',
  };
}

function readyOf(conditions: readonly { type: string; reason?: string; message?: string }[] | undefined) {
  const ready = conditions?.find(({ type }) => type === CONDITIONS.ready);
  return ready && { reason: ready.reason ?? '', message: ready.message ?? '' };
}
