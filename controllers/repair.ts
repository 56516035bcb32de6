import type { Logger } from 'pino';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { Resource } from '../kube/resource.ts';
import { pinned, unlessChanged } from '../kube/swap.ts';
import type { Repair } from '../model/repairs.ts';

/** What it takes to repair an object. */
export interface RepairDeps {
  readonly kube: Pick<KubeClient, 'mergePatch'>;
  readonly recorder: Pick<EventRecorder, 'event'>;
  readonly logger: Logger;
}

/**
 * Writes a repair by compare-and-swap on the object as it was seen, and reports it with events and in the log. Calls no
 * BMC. `machine`: of a host, for the events that are its as well. False: the object has changed, or is gone, and
 * nothing was written; the next look decides.
 */
export async function applyRepair<T extends PhysicalHost | Beskar7Machine>(
  { kube, recorder, logger }: RepairDeps,
  resource: Resource<T>,
  object: T,
  { rows, patch, events }: Repair,
  machine?: Beskar7Machine,
): Promise<boolean> {
  const { namespace = '', name } = object.metadata;
  const written = await unlessChanged(() => kube.mergePatch(resource, namespace, name, pinned(object, patch)));
  if (written === undefined) return false;
  for (const { reason, message, onMachineToo } of events) {
    recorder.event(object, 'Warning', reason, message);
    if (machine !== undefined && onMachineToo === true) recorder.event(machine, 'Warning', reason, message);
    logger.warn({ namespace, name, kind: resource.kind, rows }, message);
  }
  return true;
}
