import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import { ANNOTATION_CLAIM, ANNOTATION_FORCE_RELEASE, API_VERSION, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { providerIDOf } from './providerID.ts';

/**
 * The stages of a claim, in order. `Claimed` and `Armed` belong to a provision run, `HandedOver` to nobody until the
 * machine is deleted, `Releasing` to the release (rules 1 and 3).
 */
export const CLAIM_STAGES = ['Claimed', 'Armed', 'HandedOver', 'Releasing'] as const;
/** One of `CLAIM_STAGES`. */
export type ClaimStage = (typeof CLAIM_STAGES)[number];

/** Only this file makes claims: a claim in another stage comes from a transition, or from its annotation. */
declare const madeIn: unique symbol;

/** What a claim has in each stage. */
interface Common<S extends ClaimStage> {
  /** Type only: a copy of a claim with another `stage` does not compile. */
  readonly [madeIn]: S;
  readonly stage: S;
  /** A fresh UUID per claim. */
  readonly id: string;
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
  /**
   * W3C trace context of the run that made the claim, where it is traced: callbacks join its trace. Nothing is decided
   * by it.
   */
  readonly traceparent?: string;
}

/** What arms a claim. */
export interface Minted {
  /** SHA-256 in hex of the bearer token; the callback routes go by it (rule 21). */
  readonly tokenHash: string;
  /** SHA-256 in hex of the boot nonce; the boot route goes by it. */
  readonly nonceHash: string;
  /** Name of the Secret that holds token and nonce, in the namespace of the host. */
  readonly bootSecret: string;
}

type Without<K extends string> = { readonly [key in K]?: never };
type NotReleased = Without<'reason' | 'releasedFrom'>;

/** The claim was made; its server is switched off before it is armed. */
export interface Claimed extends Common<'Claimed'>, Without<keyof Minted>, NotReleased {
  /** Hash of the spec that the claim was made for (rule 9). */
  readonly specHash: string;
}

/** The server may boot into inspection with the token of this claim. */
export interface Armed extends Common<'Armed'>, Minted, NotReleased {
  readonly specHash: string;
}

/** The server runs its machine: nothing is sent to its BMC until the machine is deleted (rule 3). */
export interface HandedOver extends Common<'HandedOver'>, Partial<Minted>, NotReleased {
  /** Absent, as what was minted: the claim was lost, and this one written in its place. */
  readonly specHash?: string;
}

/** The host is being released (rule 4). */
export interface Releasing extends Common<'Releasing'>, Partial<Minted> {
  /** Why, for the operator. */
  readonly reason: string;
  /**
   * In which stage the release found it; a server that was handed over is shut down in good order. Absent: the claim
   * was lost, and so was its stage.
   */
  readonly releasedFrom?: Exclude<ClaimStage, 'Releasing'>;
  readonly specHash?: string;
}

/** The claim on a host, kept in the annotation `beskar7.io/claim` so that it survives a lost status. */
export type Claim = Claimed | Armed | HandedOver | Releasing;
/** The claim in one of these stages. */
export type ClaimIn<S extends ClaimStage> = Extract<Claim, { readonly stage: S }>;
/** A claim that is not being released. */
export type Held = ClaimIn<'Claimed' | 'Armed' | 'HandedOver'>;

/** What a new claim is made of. */
export interface NewClaim {
  readonly attempt: number;
  readonly tried: readonly string[];
  readonly specHash: string;
  /** From now until the server must be seen on. */
  readonly bootTimeoutMs: number;
  readonly traceparent?: string;
}

/** A new claim, with a fresh id. */
export function newClaim({ attempt, tried, specHash, bootTimeoutMs, traceparent }: NewClaim): Claimed {
  const now = Date.now();
  return made({
    id: crypto.randomUUID(),
    stage: 'Claimed',
    attempt,
    ...(tried.length === 0 ? {} : { tried }),
    since: new Date(now).toISOString(),
    deadline: new Date(now + bootTimeoutMs).toISOString(),
    specHash,
    ...(traceparent === undefined ? {} : { traceparent }),
  });
}

/** The claim with its token and nonce: from here on its server may be switched on. */
export function arm(claim: Claimed, { tokenHash, nonceHash, bootSecret }: Minted): Armed {
  return made({ ...claim, stage: 'Armed', since: timestamp(), tokenHash, nonceHash, bootSecret });
}

/** The claim of a server that runs its final OS. */
export function handOver(claim: Armed): HandedOver {
  return made({ ...claim, stage: 'HandedOver', since: timestamp() });
}

/** The claim as its release begins: no other call passes its fence any more (rule 4). `reason`: for the operator. */
export function release(claim: Held, reason: string): Releasing {
  return made({ ...claim, stage: 'Releasing', releasedFrom: claim.stage, since: timestamp(), reason });
}

/**
 * A claim in place of one that was lost (its annotation is gone or cannot be read), of a server that runs its machine.
 * What belonged to the lost one (tokens, deadlines) ended with it. `id`: of the lost claim, where it is still known.
 */
export function restoreHandedOver(id: string | undefined, specHash: string | undefined): HandedOver {
  return made({ ...again(id), stage: 'HandedOver', ...(specHash === undefined ? {} : { specHash }) });
}

/**
 * The claim by which a host is released whose own claim was lost. `wasHandedOver`: its server runs its machine, so that
 * it is shut down in good order.
 */
export function restoreReleasing(
  id: string | undefined,
  { reason, wasHandedOver }: { readonly reason: string; readonly wasHandedOver: boolean },
): Releasing {
  const from = wasHandedOver ? { releasedFrom: 'HandedOver' as const } : {};
  return made({ ...again(id), ...from, stage: 'Releasing', reason });
}

function again(id: string = crypto.randomUUID()) {
  const now = timestamp();
  return { id, attempt: 1, deadline: now, since: now };
}

function timestamp(): string {
  return new Date().toISOString();
}

/** Marks what a transition has made; the type parameter is the claim without the mark. */
function made<C extends Claim>(claim: Omit<C, typeof madeIn>): C {
  return claim as C;
}

/** The claim of a host; undefined when it has none, or one that cannot be read. */
export function claimOf(host: Pick<PhysicalHost, 'metadata'>): Claim | undefined {
  return parseClaim(host.metadata.annotations?.[ANNOTATION_CLAIM]);
}

/** The claim of a host in one of these stages; undefined when it has none, or is in another stage. */
export function claimIn<const S extends ClaimStage>(
  host: Pick<PhysicalHost, 'metadata'>,
  ...stages: readonly S[]
): ClaimIn<S> | undefined {
  const claim = claimOf(host);
  return claim && isIn(claim, stages) ? claim : undefined;
}

/** Whether a claim is in one of these stages. */
export function isIn<const S extends ClaimStage>(claim: Claim, stages: readonly S[]): claim is ClaimIn<S> {
  return (stages as readonly ClaimStage[]).includes(claim.stage);
}

/** Which texts a claim has in a stage, beside its id. */
const IN_EACH = ['deadline', 'since'] as const;
const MINTED = ['tokenHash', 'nonceHash', 'bootSecret'] as const satisfies readonly (keyof Minted)[];
const TEXTS: Readonly<Record<ClaimStage, { readonly has: readonly string[]; readonly mayHave: readonly string[] }>> = {
  Claimed: { has: [...IN_EACH, 'specHash'], mayHave: ['traceparent'] },
  Armed: { has: [...IN_EACH, 'specHash', ...MINTED], mayHave: ['traceparent'] },
  HandedOver: { has: IN_EACH, mayHave: ['specHash', ...MINTED, 'traceparent'] },
  Releasing: { has: [...IN_EACH, 'reason'], mayHave: ['releasedFrom', 'specHash', ...MINTED, 'traceparent'] },
};
const RELEASED_FROM: readonly unknown[] = [undefined, 'Claimed', 'Armed', 'HandedOver'];

/** Parses a claim annotation. Anything but a whole claim gives undefined; what its stage does not have is left out. */
export function parseClaim(text: string | undefined): Claim | undefined {
  if (text === undefined) return undefined;
  const value = tryParseJson(text, JSON_BOUNDS.annotation);
  if (typeof value !== 'object' || value === null) return undefined;
  const found = value as Readonly<Record<string, unknown>>;
  const { id, attempt, tried, releasedFrom } = found;
  const stage = CLAIM_STAGES.find((known) => known === found['stage']);
  if (stage === undefined || !isText(id) || id === '' || !Number.isSafeInteger(attempt)) return undefined;
  if (tried !== undefined && !(Array.isArray(tried) && tried.every(isText))) return undefined;
  const { has, mayHave } = TEXTS[stage];
  if (!has.every((field) => isText(found[field]))) return undefined;
  if (!mayHave.every((field) => found[field] === undefined || isText(found[field]))) return undefined;
  if (stage === 'Releasing' && !RELEASED_FROM.includes(releasedFrom)) return undefined;
  const fields = ['id', 'stage', 'attempt', 'tried', ...has, ...mayHave].filter((field) => found[field] !== undefined);
  return Object.fromEntries(fields.map((field) => [field, found[field]])) as unknown as Claim;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** The text of the annotation. */
export function serializeClaim(claim: Claim): string {
  return JSON.stringify(claim);
}

/**
 * The uid of the machine that holds the host, by label first (it survives a rewritten reference), else by reference.
 */
export function consumerUidOf(host: PhysicalHost): string | undefined {
  return host.spec.consumerRef?.uid ?? host.metadata.labels?.[LABEL_CONSUMER_UID];
}

/**
 * Whether a machine of another uid is the consumer of a host all the same: moved or restored objects have new uids, so
 * kind, namespace and name count, and that the machine's providerID names this host and this machine (rule 13).
 */
export function isMovedConsumer(
  machine: { metadata: { namespace?: string; name: string }; spec: { providerID?: string } },
  host: PhysicalHost,
): boolean {
  const consumer = host.spec.consumerRef;
  const { namespace, name } = machine.metadata;
  return (
    consumer?.kind === 'Beskar7Machine' &&
    consumer.namespace === namespace &&
    consumer.name === name &&
    host.metadata.namespace === namespace &&
    machine.spec.providerID === providerIDOf(namespace, host.metadata.name, name)
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
      // A force-release left over from an earlier claim would release this one without powering the server off.
      annotations: { [ANNOTATION_CLAIM]: serializeClaim(claim), [ANNOTATION_FORCE_RELEASE]: null },
    },
    spec: { consumerRef: { apiVersion: API_VERSION, kind: 'Beskar7Machine', name, namespace, uid } },
  };
}

/** A host that nobody holds and nobody is about to hold. */
export function isUnclaimed(host: PhysicalHost): boolean {
  return host.spec.consumerRef === undefined && host.metadata.annotations?.[ANNOTATION_CLAIM] === undefined;
}
