import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import { ANNOTATION_CLAIM, ANNOTATION_FORCE_RELEASE, API_VERSION, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { providerIDOf } from './providerID.ts';

/**
 * The stages of a claim, in order. `Claimed` and `Armed` belong to a provision run, `HandedOver` to nobody until the
 * machine is deleted, `Releasing` to the release (rules 1 and 3).
 */
export const CLAIM_STAGES = ['Claimed', 'Armed', 'HandedOver', 'Releasing'] as const;
export type ClaimStage = (typeof CLAIM_STAGES)[number];

/** The claim on a host, kept in the annotation `beskar7.io/claim` so that it survives a lost status. */
export interface Claim {
  /** A fresh UUID per claim. */
  readonly id: string;
  readonly stage: ClaimStage;
  /** Which attempt of its run made the claim, from 1. */
  readonly attempt: number;
  /**
   * Hosts that this provisioning had tried before; absent: none. Never the same one twice, also after a worker or
   * Temporal was lost.
   */
  readonly tried?: readonly string[];
  /** RFC 3339: until when the server must be seen on (`--boot-timeout` from the claim). */
  readonly deadline: string;
  /** RFC 3339: when this stage was written. */
  readonly since: string;
  /** Why it is being released; only in `Releasing`. */
  readonly reason?: string;
  /**
   * In which stage the release found it; only in `Releasing`. A server that was handed over is shut down in good order.
   */
  readonly releasedFrom?: ClaimStage;
  /** SHA-256 in hex of the bearer token and of the boot nonce; from `Armed` on. Routes trust these (rule 21). */
  readonly tokenHash?: string;
  readonly nonceHash?: string;
  /** Name of the Secret that holds token and nonce, in the namespace of the host; from `Armed` on. */
  readonly bootSecret?: string;
  /** Of the spec that the claim was made for (rule 9); absent: an earlier version made it. */
  readonly specHash?: string;
  /**
   * W3C trace context of the run that made the claim, where it is traced: callbacks join its trace. Nothing is decided
   * by it.
   */
  readonly traceparent?: string;
}

/** The claim of a host; undefined when it has none, or one that cannot be read. */
export function claimOf(host: Pick<PhysicalHost, 'metadata'>): Claim | undefined {
  return parseClaim(host.metadata.annotations?.[ANNOTATION_CLAIM]);
}

/** Parses a claim annotation. Anything else than a whole claim gives undefined. */
export function parseClaim(text: string | undefined): Claim | undefined {
  if (text === undefined) return undefined;
  const value = tryParseJson(text, JSON_BOUNDS.annotation);
  return isClaim(value) ? value : undefined;
}

/** The text of the annotation. */
export function serializeClaim(claim: Claim): string {
  return JSON.stringify(claim);
}

/** The claim as its release begins: from here on no other call passes its fence (rule 4). */
export function releasingClaim(claim: Claim, reason: string): Claim {
  return { ...claim, stage: 'Releasing', releasedFrom: claim.stage, since: new Date().toISOString(), reason };
}

/**
 * The uid of the machine that holds the host, by label first (it survives a rewritten reference), else by reference.
 */
export function consumerUidOf(host: PhysicalHost): string | undefined {
  return host.spec.consumerRef?.uid ?? host.metadata.labels?.[LABEL_CONSUMER_UID];
}

/**
 * Whether a machine of another uid is the consumer of a host all the same: moved or restored objects have new uids, so
 * kind, namespace and name count, and that the machine's providerID names this host (rule 13).
 */
export function isMovedConsumer(
  machine: { metadata: { namespace?: string; name: string }; spec: { providerID?: string } },
  host: PhysicalHost,
): boolean {
  const consumer = host.spec.consumerRef;
  const { namespace = '', name } = machine.metadata;
  return (
    consumer?.kind === 'Beskar7Machine' &&
    consumer.namespace === namespace &&
    consumer.name === name &&
    host.metadata.namespace === namespace &&
    machine.spec.providerID === providerIDOf(namespace, host.metadata.name)
  );
}

/**
 * The merge patch that gives a host's consumer its new uid; resourceVersion and uid of the host make it a
 * compare-and-swap.
 */
export function consumerUidPatch(uid: string): { metadata: object; spec: object } {
  return { metadata: { labels: { [LABEL_CONSUMER_UID]: uid } }, spec: { consumerRef: { uid } } };
}

/**
 * The merge patch that makes a machine the consumer of a host, with its claim; resourceVersion and uid of the host make
 * it a compare-and-swap.
 */
export function consumerPatch(
  { metadata: { namespace = '', name, uid = '' } }: { metadata: { namespace?: string; name: string; uid?: string } },
  claim: Claim,
) {
  return {
    metadata: {
      labels: { [LABEL_CONSUMER_UID]: uid },
      // Said of an earlier claim, the word to force would free this one without a look at its server.
      annotations: { [ANNOTATION_CLAIM]: serializeClaim(claim), [ANNOTATION_FORCE_RELEASE]: null },
    },
    spec: { consumerRef: { apiVersion: API_VERSION, kind: 'Beskar7Machine', name, namespace, uid } },
  };
}

/** A host that nobody holds and nobody is about to hold. */
export function isUnclaimed(host: PhysicalHost): boolean {
  return host.spec.consumerRef === undefined && host.metadata.annotations?.[ANNOTATION_CLAIM] === undefined;
}

function isClaim(value: unknown): value is Claim {
  if (typeof value !== 'object' || value === null) return false;
  const claim = value as Record<string, unknown>;
  const textOrNothing = (field: string) => claim[field] === undefined || typeof claim[field] === 'string';
  return (
    typeof claim.id === 'string' &&
    claim.id !== '' &&
    CLAIM_STAGES.includes(claim.stage as ClaimStage) &&
    Number.isSafeInteger(claim.attempt) &&
    (claim.tried === undefined || isTexts(claim.tried)) &&
    typeof claim.deadline === 'string' &&
    typeof claim.since === 'string' &&
    textOrNothing('reason') &&
    (claim.releasedFrom === undefined || CLAIM_STAGES.includes(claim.releasedFrom as ClaimStage)) &&
    textOrNothing('tokenHash') &&
    textOrNothing('nonceHash') &&
    textOrNothing('bootSecret') &&
    textOrNothing('specHash') &&
    textOrNothing('traceparent')
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}
