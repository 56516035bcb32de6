import { randomUUID } from 'node:crypto';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { consumerPatch, consumerUidPatch, isMovedConsumer } from '../crds/claim.ts';
import { handledOf } from '../crds/handled.ts';
import { ANNOTATION_DELETE_FOR_MOVE, FINALIZER_HOST } from '../crds/names.ts';
import type { ConsumerRef, PhysicalHost } from '../crds/physicalHost.ts';
import type { KubeClient } from '../kube/client.ts';
import { providerIDOf } from '../crds/providerID.ts';
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

/**
 * Makes a machine the consumer of the host again that its providerID names, by compare-and-swap and without a call to its BMC (decision 0017).
 * Both are as the cache shows them; the machine is read live. The claim is a new one: what belonged to the lost one ended with it. False:
 * the machine is not there any more, or says something else, or the host has changed; the next look decides.
 */
export async function giveBack(
  kube: Pick<KubeClient, 'get' | 'mergePatch'>,
  host: PhysicalHost,
  { metadata: cached }: Beskar7Machine,
): Promise<boolean> {
  const { name, namespace = '', uid, resourceVersion, finalizers = [], deletionTimestamp } = host.metadata;
  const machine = await read(kube, namespace, cached.name);
  if (!machine || machine.metadata.uid !== cached.uid || machine.metadata.deletionTimestamp !== undefined) return false;
  if (machine.metadata.annotations?.[ANNOTATION_DELETE_FOR_MOVE] !== undefined) return false;
  if (machine.spec.providerID !== providerIDOf(namespace, name)) return false;
  const now = new Date().toISOString();
  const specHash = handledOf(machine)?.specHash;
  const consumer = consumerPatch(machine, {
    id: randomUUID(),
    stage: 'HandedOver',
    attempt: 1,
    deadline: now,
    since: now,
    ...(specHash === undefined ? {} : { specHash }),
  });
  const isKept = finalizers.includes(FINALIZER_HOST) || deletionTimestamp !== undefined;
  const own = isKept ? {} : { finalizers: [...finalizers, FINALIZER_HOST] };
  const patch = { ...consumer, metadata: { ...consumer.metadata, ...own, uid, resourceVersion } };
  try {
    await kube.mergePatch(HOSTS, namespace, name, patch);
    return true;
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
    return false;
  }
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
