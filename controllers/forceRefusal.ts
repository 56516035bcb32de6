import { forceRefusedText } from '../model/forceRelease.ts';
import { ANNOTATION_FORCE_RELEASE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { HOSTS } from '../kube/resource.ts';
import { pinned, unlessChanged } from '../kube/swap.ts';

/**
 * Removes a force-release that counts for nothing, by compare-and-swap, and says so in an event. A lost one is repeated
 * by the next look.
 */
export async function refuseForce(
  { kube, recorder }: { kube: Pick<KubeClient, 'mergePatch'>; recorder: Pick<EventRecorder, 'event'> },
  host: PhysicalHost,
  reason: string,
): Promise<void> {
  const { namespace, name } = host.metadata;
  const patch = pinned(host, { metadata: { annotations: { [ANNOTATION_FORCE_RELEASE]: null } } });
  if ((await unlessChanged(() => kube.mergePatch(HOSTS, namespace, name, patch))) === undefined) return;
  recorder.event(host, 'Warning', 'ForceReleaseRefused', forceRefusedText(host, reason));
}
