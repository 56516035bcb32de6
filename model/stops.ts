import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED, ANNOTATION_UNSCHEDULABLE } from '../crds/names.ts';
import type { ObjectMeta } from '../crds/object.ts';

/** An object of Kubernetes, as far as it says whether something may be begun for it. */
export interface Stoppable {
  readonly metadata: Pick<ObjectMeta, 'annotations' | 'deletionTimestamp'>;
}

/** A Cluster of Cluster API, as far as it pauses what belongs to it. */
export interface PausingCluster {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly paused?: boolean };
}

/** Why nothing may be begun for an object. */
export type StopReason = 'Deleting' | 'Moving' | 'Paused' | 'ClusterPaused' | 'Unschedulable';

/** A reason with its words, which follow the name of the object: `is being moved`. */
export interface Stop<R extends StopReason = StopReason> {
  readonly reason: R;
  readonly text: string;
}

/** Each reason: when it holds, and how it is said. */
const STOPS: Readonly<
  Record<
    StopReason,
    {
      readonly holds: (object: Stoppable, cluster: PausingCluster | undefined) => boolean;
      readonly text: (cluster: PausingCluster | undefined) => string;
    }
  >
> = {
  Deleting: { holds: isBeingDeleted, text: () => 'is being deleted' },
  Moving: { holds: isBeingMoved, text: () => 'is being moved' },
  Paused: { holds: isPaused, text: () => 'is paused' },
  ClusterPaused: {
    holds: (_object, cluster) => isPausing(cluster),
    text: (cluster) => `is paused with Cluster ${cluster?.metadata.name ?? ''}`,
  },
  Unschedulable: { holds: isUnschedulable, text: () => 'is marked unschedulable' },
};

/**
 * Why nothing may be begun for an object: the first of these reasons that holds; undefined when none does. Who asks
 * names the reasons that count for what is to be begun: a deprovision is there for what is being deleted.
 */
export function stopOf<const R extends StopReason>(
  object: Stoppable,
  reasons: readonly R[],
  cluster?: PausingCluster | undefined,
): Stop<R> | undefined {
  const reason = reasons.find((one) => STOPS[one].holds(object, cluster));
  return reason && { reason, text: STOPS[reason].text(cluster) };
}

/** Whether somebody has deleted it, and finalizers still keep it. */
export function isBeingDeleted({ metadata }: Stoppable): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/**
 * Whether `clusterctl move` is about to delete it: it lives on in another cluster, and nothing is done for it here any
 * more (rule 13).
 */
export function isBeingMoved({ metadata }: Stoppable): boolean {
  return metadata.annotations?.[ANNOTATION_DELETE_FOR_MOVE] !== undefined;
}

/** Whether its own annotation pauses it; its Cluster may as well (`isPausing`). */
export function isPaused({ metadata }: Stoppable): boolean {
  return metadata.annotations?.[ANNOTATION_PAUSED] !== undefined;
}

/** Whether a Cluster pauses what belongs to it (`spec.paused`, rule 16). */
function isPausing(cluster: PausingCluster | undefined): boolean {
  return cluster?.spec.paused === true;
}

/** Whether a person keeps a host from being claimed. */
export function isUnschedulable({ metadata }: Stoppable): boolean {
  return metadata.annotations?.[ANNOTATION_UNSCHEDULABLE] !== undefined;
}

/**
 * What pauses an object, as its condition `Paused` begins: its own annotation, else its Cluster. Undefined when nothing
 * does.
 */
export function pausedBy(object: Stoppable, cluster: PausingCluster | undefined): string | undefined {
  const stop = stopOf(object, ['Paused', 'ClusterPaused'], cluster);
  if (stop === undefined) return undefined;
  return stop.reason === 'Paused'
    ? `Paused by the annotation ${ANNOTATION_PAUSED}`
    : `Paused with Cluster ${cluster?.metadata.name ?? ''} (spec.paused)`;
}
