import { claimOf, type Claim } from '../model/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../crds/physicalHost.ts';
import { isConflict, isNotFound } from '../kube/error.ts';
import { HOSTS } from '../kube/resource.ts';
import { find, pinned, swap, type MergePatch, type Swap } from '../kube/swap.ts';
import { matchesHash, type HostKey } from './auth.ts';
import type { ApiDependencies, SignalKind } from './dependencies.ts';
import type { ApiError } from '../http/errors.ts';
import { unauthorized, unavailable } from './errors.ts';
import { CALLBACK_CALL_MS } from '../model/deadlines.ts';

/** A merge patch of a status: null removes. */
export type StatusPatch = MergePatch<PhysicalHostStatus>;

/** A live host whose claim the caller has proved to belong to. */
export interface Claimed {
  readonly host: PhysicalHost;
  readonly claim: Claim;
}

/** What a callback comes to, judged on a live host; a missing case does not compile. */
export type Decision =
  | { readonly kind: 'store'; readonly status: StatusPatch; readonly signal?: SignalKind }
  | { readonly kind: 'accepted'; readonly signal?: SignalKind }
  | { readonly kind: 'refused'; readonly error: ApiError };

/** Reads a host live; undefined when there is none. */
export function readHost(kube: ApiDependencies['kube'], key: HostKey): Promise<PhysicalHost | undefined> {
  return find(kube, HOSTS, { namespace: key.namespace, name: key.host }, { timeoutMs: CALLBACK_CALL_MS });
}

/**
 * A compare-and-swap of a host (`swap`). One that is gone, or has changed, is judged again; throws 503 when others
 * change it each time.
 */
export async function swapHost<T, R>(
  { namespace, host }: HostKey,
  swapped: Pick<Swap<T, R>, 'read' | 'start' | 'write'> & { readonly isStale?: (error: unknown) => boolean },
): Promise<R> {
  try {
    const isStale = (error: unknown) => isNotFound(error) || swapped.isStale?.(error) === true;
    return await swap({ ...swapped, what: `host ${namespace}/${host}`, isStale });
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) throw unavailable(error.message);
    throw error;
  }
}

/** Reads the host live and checks the bearer against the hash in its claim (rule 21). Throws the one 401. */
export async function readAuthorized(
  kube: ApiDependencies['kube'],
  key: HostKey,
  bearer: string | undefined,
): Promise<Claimed> {
  if (bearer === undefined) throw unauthorized('no bearer token was sent');
  const host = await readHost(kube, key);
  if (host === undefined) throw unauthorized('there is no such host');
  const claim = claimOf(host);
  if (claim === undefined) throw unauthorized('the host is not claimed');
  if (!matchesHash(bearer, claim.tokenHash)) throw unauthorized('the token is not that of the claim');
  return { host, claim };
}

/**
 * Stores a fact by compare-and-swap: `decide` judges the live host, and judges again on a new one (with the bearer
 * checked again) when another writer was first. Returns when it is stored, or when there was nothing to store; throws
 * what `decide` refused with, 503 when conflicts do not end.
 */
export async function storeFact(
  kube: ApiDependencies['kube'],
  key: HostKey,
  bearer: string | undefined,
  decide: (claimed: Claimed) => Decision,
  start?: Claimed,
): Promise<Claimed & { readonly signal: SignalKind | undefined; readonly isStored: boolean }> {
  return swapHost(key, {
    start,
    read: () => readAuthorized(kube, key, bearer),
    write: async (claimed) => {
      const decision = decide(claimed);
      if (decision.kind === 'refused') throw decision.error;
      if (decision.kind === 'accepted') return { ...claimed, signal: decision.signal, isStored: false };
      const host = await patchStatus(kube, key, claimed.host, decision.status);
      return { host, claim: claimed.claim, signal: decision.signal, isStored: true };
    },
  });
}

/** Patches the status if the host is still as it was read: throws Conflict otherwise. */
export function patchStatus(
  kube: ApiDependencies['kube'],
  key: HostKey,
  read: PhysicalHost,
  status: StatusPatch,
): Promise<PhysicalHost> {
  const options = { subresource: 'status', timeoutMs: CALLBACK_CALL_MS } as const;
  return kube.mergePatch(HOSTS, key.namespace, key.host, pinned(read, { status }), options);
}

/**
 * The merge patch that turns `old` into exactly `value`: a merge patch alone would leave behind what an earlier claim
 * had stored under other keys (RFC 7386 §2).
 */
export function replacement(old: object | undefined, value: object): Record<string, unknown> {
  const before = new Map<string, unknown>(Object.entries(old ?? {}));
  const patch: Record<string, unknown> = {};
  for (const key of before.keys()) patch[key] = null;
  for (const [key, item] of Object.entries(value)) {
    const was = before.get(key);
    patch[key] = isPlainObject(item) ? replacement(isPlainObject(was) ? was : undefined, item) : item;
  }
  return patch;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
