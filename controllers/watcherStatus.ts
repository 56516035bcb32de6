import { condition, findCondition, isUpToDate, type ConditionPatch } from '../crds/conditions.ts';
import { API_VERSION } from '../crds/names.ts';
import type { KubeObject } from '../crds/object.ts';
import type { Condition } from '../crds/schema.ts';
import type { DeepPartial, KubeClient } from '../kube/client.ts';
import type { Resource } from '../kube/resource.ts';
import { unlessChanged } from '../kube/swap.ts';

/** Owns what watchers write into the status of machines and hosts. */
export const FIELD_MANAGER = 'beskar7-watcher';

type WithConditions = KubeObject<unknown, { conditions?: Condition[] }>;

/** The condition that says what a person's edit after the hand-over did: nothing. */
export const SPEC_CHANGE_IGNORED = 'SpecChangeIgnored';

/**
 * Whether the conditions that a watcher answers for (`types`) stand as it wants them: those in `wanted` with status,
 * reason and message, the others not at all.
 */
export function areUpToDate(
  current: readonly Condition[] | undefined,
  wanted: readonly ConditionPatch[],
  types: readonly string[],
): boolean {
  return types.every((type) => {
    const is = findCondition(current, type);
    const should = wanted.find((patch) => patch.type === type);
    return should === undefined ? is === undefined : isUpToDate(is, should);
  });
}

/**
 * Applies the whole of what the watcher says of an object (server-side apply on `/status`, rule 19): what it said
 * before and leaves out now is removed; what others own stays. With the resourceVersion of the cache, so that nothing
 * newer is overwritten: `false` means that the cache was behind, or the object is gone.
 */
export async function applyConditions<T extends WithConditions>(
  kube: KubeClient,
  resource: Resource<T>,
  object: T,
  wanted: readonly ConditionPatch[],
  more: object = {},
): Promise<boolean> {
  const { namespace, name, uid, resourceVersion, generation } = object.metadata;
  const now = new Date().toISOString();
  const conditions = wanted.map((patch) =>
    condition(patch, now, generation, findCondition(object.status?.conditions, patch.type)),
  );
  const applied = {
    apiVersion: API_VERSION,
    kind: resource.kind,
    metadata: { namespace, name, uid, resourceVersion },
    status: { ...more, conditions },
  };
  const options = { fieldManager: FIELD_MANAGER, force: true };
  const apply = () => kube.applyStatus(resource, applied as unknown as DeepPartial<T>, options);
  return (await unlessChanged(apply)) !== undefined;
}
