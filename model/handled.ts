import { createHash } from 'node:crypto';
import { JSON_BOUNDS, parseJson } from '../untrusted/json.ts';
import type { Beskar7Machine, Beskar7MachineSpec } from '../crds/beskar7Machine.ts';
import { ANNOTATION_HANDLED, ANNOTATION_RETRY } from '../crds/names.ts';
import { MACHINE_REASONS, type MachineReason } from '../crds/reasons.ts';
import type { MachineAddress } from '../crds/schema.ts';

/** What the last finished run of a machine was about (rule 9): a run is due when the present differs from it. */
export interface Handled {
  readonly specHash: string;
  /** Value of the annotation `beskar7.io/retry` at the end of that run; empty when there was none. */
  readonly retry: string;
  readonly outcome: 'Provisioned' | 'Failed' | 'Cancelled';
  /** Why it failed: of the status this much survives a move or a restore. */
  readonly reason?: MachineReason;
  /**
   * Claims whose release was still under way when the run ended: they are not the next one's. Absent: it succeeded, and
   * none of them is.
   */
  readonly claims?: readonly string[];
  /**
   * Which machine it is of: a machine that was made from this one's exported manifest has another name, and its
   * annotations say nothing of it.
   */
  readonly of?: ObjectIdentity;
  /** Those of a provisioned machine: neither its status nor the report of its host survives `clusterctl move`. */
  readonly addresses?: readonly MachineAddress[];
}

/** What the user asks for now. */
export function askOf(machine: Beskar7Machine): Pick<Handled, 'specHash' | 'retry'> {
  return { specHash: specHash(machine.spec), retry: retryOf(machine.metadata.annotations?.[ANNOTATION_RETRY] ?? '') };
}

/** A longer value of `beskar7.io/retry` is told from others by its hash. */
const MAX_RETRY = 128;

/**
 * The value travels through histories and is noted in `beskar7.io/handled`: a long one would stand twice among
 * annotations, of which the API server takes 256 KiB, and a run could not note its end.
 */
function retryOf(value: string): string {
  return value.length <= MAX_RETRY ? value : `sha256:${createHash('sha256').update(value).digest('hex')}`;
}

/**
 * The annotation `beskar7.io/handled`; undefined when there is none that can be read, or when it came with a copied
 * manifest: then it is of a machine of another name or namespace. A moved or restored machine keeps both, and gets a
 * new uid only (rule 13).
 */
export function handledOf(machine: Beskar7Machine): Handled | undefined {
  const text = machine.metadata.annotations?.[ANNOTATION_HANDLED];
  if (text === undefined) return undefined;
  try {
    const value = parseJson(text, JSON_BOUNDS.annotation) as Partial<Handled> | null;
    if (typeof value?.specHash !== 'string' || typeof value.outcome !== 'string') return undefined;
    if (value.of !== undefined && !isOf(machine, value.of)) return undefined;
    const addresses = Array.isArray(value.addresses) ? value.addresses.filter(isAddress) : undefined;
    return {
      specHash: value.specHash,
      retry: String(value.retry ?? ''),
      outcome: value.outcome,
      ...(isReason(value.reason) ? { reason: value.reason } : {}),
      ...(Array.isArray(value.claims) ? { claims: value.claims.filter((id) => typeof id === 'string') } : {}),
      ...(value.of === undefined ? {} : { of: value.of }),
      ...(addresses === undefined ? {} : { addresses }),
    };
  } catch {
    return undefined;
  }
}

/** Whose what Beskar7 has written into an object's metadata is. */
export interface ObjectIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** As it is written into metadata of the object. */
export function identityOf({
  metadata: { namespace = '', name, uid = '' },
}: Pick<Beskar7Machine, 'metadata'>): ObjectIdentity {
  return { namespace, name, uid };
}

/**
 * Whether what was written is of this object: a moved or restored one keeps name and namespace, and gets another uid
 * (rule 13).
 */
export function isOf(
  { metadata }: Pick<Beskar7Machine, 'metadata'>,
  of: Partial<ObjectIdentity> | null | undefined,
): boolean {
  return of?.name === metadata.name && of.namespace === metadata.namespace;
}

/**
 * Whether Beskar7 has written the machine's providerID: `handled` is written with it, and the status, which no copied
 * manifest brings along, after it. One that a person wrote takes no free host out of use.
 */
export function isProviderIDOurs(machine: Beskar7Machine): boolean {
  if (machine.spec.providerID === undefined) return false;
  return machine.status?.phase === 'Provisioned' || handledOf(machine)?.outcome === 'Provisioned';
}

function isReason(value: unknown): value is MachineReason {
  return Object.values<unknown>(MACHINE_REASONS).includes(value);
}

function isAddress(value: unknown): value is MachineAddress {
  const { type, address } = (value ?? {}) as Partial<MachineAddress>;
  return typeof type === 'string' && typeof address === 'string';
}

/** Whether it runs on a server, as far as it says itself: nothing is begun for it any more (rule 4). */
export function isProvisioned({ spec, status }: Beskar7Machine): boolean {
  return status?.phase === 'Provisioned' && spec.providerID !== undefined;
}

/**
 * The same once another run has begun: it deals with no ask any more, whatever the user asks for meanwhile, and tells
 * how the last run ended.
 */
export function superseded(handled: Handled): Handled {
  return { ...handled, specHash: '' };
}

/**
 * True when the user asks for something that no finished run has dealt with. To take the annotation `beskar7.io/retry`
 * away asks for nothing, and neither does setting the noted value again.
 */
export function isAskUnhandled(machine: Beskar7Machine): boolean {
  const handled = handledOf(machine);
  const ask = askOf(machine);
  if (handled === undefined || handled.specHash !== ask.specHash) return true;
  // Written together with providerID: without it, the manifest of a provisioned machine was edited and applied again.
  if (handled.outcome === 'Provisioned' && machine.spec.providerID === undefined) return true;
  return isRetryAsked(machine);
}

/** Whether a person asks to try again by `beskar7.io/retry`: it has a value that no finished run has dealt with. */
export function isRetryAsked(machine: Beskar7Machine): boolean {
  const retry = retryOf(machine.metadata.annotations?.[ANNOTATION_RETRY] ?? '');
  return retry !== '' && retry !== handledOf(machine)?.retry;
}

/** A hash of the fields that a person writes (not providerID); 16 hex digits, independent of the order of keys. */
export function specHash(spec: Beskar7MachineSpec): string {
  return createHash('sha256').update(specText(spec)).digest('hex').slice(0, 16);
}

/** The fields that a person writes (not providerID) as JSON with sorted keys. */
function specText(spec: Beskar7MachineSpec): string {
  const { providerID: _written, ...asked } = spec;
  return canonicalJson(asked);
}

/** JSON with sorted keys, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
