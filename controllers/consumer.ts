import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { consumerUidPatch, isMovedConsumer } from '../crds/claim.ts';
import { ANNOTATION_DELETE_FOR_MOVE } from '../crds/names.ts';
import type { ConsumerRef, PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isNotFound } from '../kube/error.ts';
import { HOSTS, MACHINES } from '../kube/resource.ts';

/**
 * Looks live for the machine that holds a host (rule 13). `there`: the cache was behind, or the host's reference has got the new uid
 * of the moved or restored machine, by compare-and-swap and without a call to its BMC. `gone`: there is no such machine, or another
 * one has its name now.
 */
export async function lookForConsumer(
  kube: Pick<KubeClient, 'get' | 'mergePatch'>,
  host: PhysicalHost,
): Promise<'there' | 'gone'> {
  const { consumerRef } = host.spec;
  if (!consumerRef) return 'gone';
  const machine = await read(kube, consumerRef.namespace, consumerRef.name);
  if (isHeldBy(consumerRef, machine)) return 'there';
  if (!machine) return 'gone';
  const { uid = '', annotations = {} } = machine.metadata;
  // A machine that is about to leave this cluster is nobody's consumer here.
  if (!isMovedConsumer(machine, host) || annotations[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return 'gone';
  const { name, namespace = '', resourceVersion } = host.metadata;
  const patch = consumerUidPatch(uid);
  const metadata = { ...patch.metadata, uid: host.metadata.uid, resourceVersion };
  try {
    await kube.mergePatch(HOSTS, namespace, name, { ...patch, metadata });
  } catch (error) {
    // The host has changed meanwhile: the next look decides.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
  return 'there';
}

/** Whether the reference means this machine. One to another kind, or without a uid, is none of ours: it is left alone. */
export function isHeldBy(consumerRef: ConsumerRef, machine: Beskar7Machine | undefined): boolean {
  if (consumerRef.kind !== 'Beskar7Machine') return true;
  if (!machine) return false;
  return consumerRef.uid === undefined || consumerRef.uid === machine.metadata.uid;
}

async function read(
  kube: Pick<KubeClient, 'get'>,
  namespace: string,
  name: string,
): Promise<Beskar7Machine | undefined> {
  try {
    return await kube.get(MACHINES, namespace, name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
