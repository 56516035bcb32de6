import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { isUnclaimed } from '../model/claim.ts';
import { LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { isConsumer, namedHost } from '../model/references.ts';
import { KubeError } from '../kube/error.ts';
import { CAPI_MACHINES, EVENTS, HOSTS, type CapiMachine, type Identified, type KubeEvent } from '../kube/resource.ts';
import type { Progress } from '../contracts/messages.ts';
import { workflowId } from '../contracts/names.ts';
import { find } from './references.ts';
import type { Session } from './session.ts';

/** The host that a machine has claimed, by its label; else the one that its status names. */
export async function hostOf(session: Session, machine: Beskar7Machine): Promise<PhysicalHost | undefined> {
  const { namespace, uid } = machine.metadata;
  const [claimed] =
    uid === undefined ? [] : await session.list(HOSTS, { namespace, labelSelector: `${LABEL_CONSUMER_UID}=${uid}` });
  if (claimed !== undefined) return claimed;
  const named = namedHost(machine);
  const host = named && (await find(session, HOSTS, named.name, named.namespace));
  // Of a machine that has failed the host is free, or another one's by now: what stands on it then is not about this
  // machine.
  return host === undefined || isUnclaimed(host) || isConsumer(host, machine) ? host : undefined;
}

/** The Machine of Cluster API that owns it; undefined when there is none, or it may not be read. */
export async function ownerOf(session: Session, machine: Beskar7Machine): Promise<CapiMachine | undefined> {
  const owner = machine.metadata.ownerReferences?.find(
    ({ kind, apiVersion = '' }) => kind === 'Machine' && apiVersion.startsWith('cluster.x-k8s.io/'),
  );
  if (owner === undefined) return undefined;
  try {
    return await find(session, CAPI_MACHINES, owner.name, machine.metadata.namespace);
  } catch (error) {
    if (error instanceof KubeError) return undefined;
    throw error;
  }
}

const QUERY_MS = 4_000;

/** The progress of the open run of a machine; `silent`: why Temporal could not be queried. */
export async function progressOf(
  session: Session,
  { namespace = '', name }: { readonly namespace?: string; readonly name: string },
): Promise<{ readonly value?: Progress | undefined; readonly silent?: string }> {
  return session.tryTemporal(async ({ client }) => {
    const handle = client.workflow.getHandle(workflowId('provision', { namespace, name }));
    const found = await client
      .withDeadline(Date.now() + session.timeoutMs, () => handle.describe())
      .catch((error: unknown) => {
        if ((error as Error).name === 'WorkflowNotFoundError') return undefined;
        throw error;
      });
    if (found?.status.name !== 'RUNNING') return undefined;
    // A query needs a worker.
    return client
      .withDeadline(Date.now() + QUERY_MS, () =>
        client.workflow.getHandle(found.workflowId, found.runId).query<Progress>('progress'),
      )
      .catch(() => undefined);
  });
}

/** The events about an object, oldest first. */
export async function eventsOf(session: Session, { metadata }: Identified): Promise<KubeEvent[]> {
  const { namespace, name, uid = '' } = metadata;
  const events = await session.list(EVENTS, {
    namespace,
    fieldSelector: `involvedObject.name=${name},involvedObject.uid=${uid}`,
  });
  // Events of other writers may have no such time.
  const at = (event: KubeEvent) => event.lastTimestamp ?? event.metadata.creationTimestamp ?? '';
  return events.sort((one, other) => (at(one) < at(other) ? -1 : 1));
}
