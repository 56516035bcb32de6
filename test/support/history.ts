import type { HistoryEvent } from '../../view/historyParts.ts';
import type { World } from './world.ts';

/**
 * Reads the history of a machine's provisioning, as it grows, until it has an event.
 * Throws when the run ends without it, or when `boundMs` pass between two events.
 */
export async function untilEvent(
  world: World,
  machine: string,
  what: string,
  isIt: (event: HistoryEvent) => boolean,
  boundMs = 30_000,
): Promise<void> {
  const { namespace } = world.temporal.options;
  const execution = { workflowId: `provision/${world.namespace}/${machine}` };
  let nextPageToken: Uint8Array | null | undefined;
  do {
    const request = { namespace, execution, waitNewEvent: true, ...(nextPageToken ? { nextPageToken } : {}) };
    const page = await world.temporal.withDeadline(Date.now() + boundMs, () =>
      world.temporal.workflowService.getWorkflowExecutionHistory(request),
    );
    if (page.history?.events?.some(isIt)) return;
    ({ nextPageToken } = page);
  } while (nextPageToken && nextPageToken.length > 0);
  throw new Error(`${execution.workflowId} has ended without ${what}`);
}
