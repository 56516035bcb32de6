import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/error.ts';
import { NAMESPACES } from '../kube/resource.ts';
import { UsageError, type Config } from './config.ts';

/** In the data of a Temporal namespace: whose it is (docs/decisions/0019). */
export const OWNER_KEY = 'beskar7.io/installation';
const CLUSTER_NAMESPACE = 'kube-system';
/**
 * Two processes that start at the same time both write: the last one stays, and each reads after this time what it is.
 */
const SETTLE_MS = 500;

/** Who uses a Temporal namespace: one management cluster with one watch scope. All of its processes agree on it. */
export interface Installation {
  /** `<cluster>:<namespace>:<watch filter>`, the last two empty where all are watched. */
  readonly id: string;
}

/** The Temporal namespace, or the cluster, is not what this process may work with: one line for the operator. */
export class InstallationError extends UsageError {}

/**
 * The installation that this process is part of: the uid of the namespace kube-system, or `--cluster-id`, with
 * `--namespace` and `--watch-filter`. Rejects with `InstallationError` when the uid may not be read, and with the error
 * of the API server when it cannot be now.
 */
export async function installationOf(
  kube: Pick<KubeClient, 'get'>,
  config: Pick<Config, 'clusterId' | 'namespace' | 'watchFilter'>,
): Promise<Installation> {
  const cluster = config.clusterId ?? (await clusterUid(kube));
  return { id: [cluster, config.namespace ?? '', config.watchFilter ?? ''].join(':') };
}

async function clusterUid(kube: Pick<KubeClient, 'get'>): Promise<string> {
  const remedy =
    'grant "get" on it (deploy/manifests/rbac.yaml), or give every process of this installation the same --cluster-id';
  try {
    const { metadata } = await kube.get(NAMESPACES, '', CLUSTER_NAMESPACE);
    if (metadata.uid) return metadata.uid;
  } catch (error) {
    if (!(error instanceof KubeError) || ![401, 403, 404].includes(error.status)) throw error;
    throw new InstallationError(
      `beskar7: the namespace ${CLUSTER_NAMESPACE}, whose uid tells this cluster from others, cannot be read (${error.message}): ${remedy}`,
    );
  }
  throw new InstallationError(`beskar7: the namespace ${CLUSTER_NAMESPACE} has no uid: ${remedy}`);
}

/** What stands in a Temporal namespace. */
export interface NamespaceFacts {
  /** Another namespace of its name, in another database, has another id. */
  readonly id: string;
  /** The id of the installation that it belongs to; undefined: of none yet. */
  readonly owner: string | undefined;
}

/** Rejects with NOT_FOUND when there is no such namespace. */
export async function namespaceFacts(client: Client, namespace: string): Promise<NamespaceFacts> {
  const { namespaceInfo } = await client.connection.workflowService.describeNamespace({ namespace });
  const owner = namespaceInfo?.data?.[OWNER_KEY];
  return { id: namespaceInfo?.id ?? '', owner: owner === '' || owner == null ? undefined : owner };
}

/**
 * Claims the Temporal namespace for this installation if it has no owner. False: it may not be written here (Temporal
 * Cloud), which is logged once (`isKnown`); then only the check of each activity keeps two installations apart. Rejects
 * with `InstallationError` when it is another's.
 */
export async function ownNamespace(
  client: Client,
  namespace: string,
  installation: Installation,
  logger: Pick<Logger, 'warn' | 'info'>,
  { isKnown, mayWait }: { readonly isKnown: boolean; mayWait(error: unknown): boolean },
): Promise<boolean> {
  const before = await namespaceFacts(client, namespace);
  if (before.owner !== undefined) return requireOwn(namespace, before.owner, installation);
  try {
    await client.connection.workflowService.updateNamespace({
      namespace,
      updateInfo: { data: { [OWNER_KEY]: installation.id } },
    });
  } catch (error) {
    if (mayWait(error)) throw error;
    if (!isKnown)
      logger.warn(
        { err: error, namespace, installation: installation.id },
        'this installation cannot be written into the data of the Temporal namespace: see to it yourself that no other one uses it (docs/decisions/0019)',
      );
    return false;
  }
  await delay(SETTLE_MS);
  const { owner } = await namespaceFacts(client, namespace);
  if (owner === undefined) return false;
  requireOwn(namespace, owner, installation);
  logger.info({ namespace, installation: installation.id }, 'the Temporal namespace belongs to this installation now');
  return true;
}

/** Throws `InstallationError` when the namespace is not this installation's. */
export function requireOwn(namespace: string, owner: string, { id }: Installation): true {
  if (owner === id) return true;
  throw new InstallationError(
    `beskar7: the Temporal namespace ${namespace} belongs to another installation (${inWords(owner)}; this one is ${inWords(id)}): ` +
      'give this one its own with --temporal-namespace, or, when the other is gone for good (a cluster restored elsewhere, other flags), ' +
      `hand it over: temporal operator namespace update -n ${namespace} --data ${OWNER_KEY}=${id}`,
  );
}

function inWords(id: string): string {
  const [cluster = '', namespace = '', filter = ''] = id.split(':');
  return [
    `cluster ${cluster}`,
    namespace === '' ? 'all namespaces' : `namespace ${namespace}`,
    ...(filter === '' ? [] : [`watch filter ${filter}`]),
  ].join(', ');
}
