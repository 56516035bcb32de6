/** Names of workflows, ids and task queues: everything that a client needs to start, find and stop them. */

/** An object that a workflow is about. The uid tells it from another object of the same name. */
export interface ObjectRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * Part of every input: who started the run (docs/decisions/0019). Runs hand it on to their activities, children and
 * next histories.
 */
export interface FromInstallation {
  /** `<cluster>:<namespace>:<watch filter>` */
  readonly installation?: string;
}

/** Header of an activity with the installation of its run. */
export const INSTALLATION_HEADER = 'beskar7-installation';

/** Input of `releaseHost`. */
export interface ReleaseInput extends ObjectRef {
  /** The claim that is to end; another claim on the host ends the run without effect. */
  readonly claim: string;
  readonly pool?: string;
  /** The machine of the claim, where whoever starts the run knows it: the claim need not be looked up then. */
  readonly machine?: ObjectRef;
  /**
   * The machine that holds the host is missing. It is released when it is missing still after this time, or at once by
   * force (rule 13).
   */
  readonly orphanAfterMs?: number;
}

/** Input of `enrollHost` and `retireHost`. */
export interface HostInput extends ObjectRef {
  /** `redfishConnection.workerPool`: the site whose workers reach the BMC. */
  readonly pool?: string;
}

/** The same host, for the workers of another pool; null: those without one. */
export function atPool({ namespace, name, uid }: HostInput, pool: string | null): HostInput {
  return { namespace, name, uid, ...(pool === null ? {} : { pool }) };
}

/** Input of `provisionMachine` and `deprovisionMachine`. */
export type MachineInput = ObjectRef;

/** How the monitoring of all hosts is divided, and how often each is looked at; by flags of the controllers. */
export interface MonitorSettings {
  /** Into how many shards the hosts of a pool are divided; 0: there is no monitoring. */
  readonly shards: number;
  readonly intervalMs: number;
}

/** Input of `monitorHosts`. */
export interface MonitorInput extends MonitorSettings {
  /** `redfishConnection.workerPool` of the hosts; absent: those without one. */
  readonly pool?: string;
  /** From 0. */
  readonly shard: number;
}

/** Workflow types, as the Web UI shows them. */
export const WORKFLOW_TYPES = {
  provision: 'provisionMachine',
  deprovision: 'deprovisionMachine',
  enroll: 'enrollHost',
  release: 'releaseHost',
  retire: 'retireHost',
  monitor: 'monitorHosts',
} as const;

/** Workflow ids are stable and readable, so that an operator can type them: `provision/<ns>/<machine>` and so on. */
export function workflowId(
  kind: Exclude<keyof typeof WORKFLOW_TYPES, 'monitor'>,
  object: { namespace: string; name: string },
): string {
  return `${kind}/${object.namespace}/${object.name}`;
}

/**
 * `monitor/<pool>/<shard>`; hosts without a pool are `default`, and a pool that a user has named so is `bmc.default`.
 */
export function monitorId(pool: string | undefined, shard: number): string {
  const name = pool === 'default' ? bmcTaskQueue(pool) : (pool ?? 'default');
  return `monitor/${name}/${shard}`;
}

/** Workflows and activities that talk to Kubernetes. */
export const TASK_QUEUE = 'beskar7';
/** Only the permit of rule 5 is on it: its rate limit is the power budget. */
export const POWER_ON_TASK_QUEUE = 'power-on';

/**
 * Activities that hold a slot until a run has closed: what they wait for needs slots itself, so that theirs are of
 * another queue.
 */
export const AWAIT_RUN_TASK_QUEUE = 'await-run';

/** The queue of the activities that talk to a BMC: `bmc`, or `bmc.<pool>` for a site with workers of its own. */
export function bmcTaskQueue(pool: string | undefined): string {
  return pool === undefined ? 'bmc' : `bmc.${pool}`;
}

/** Search attributes, all of type Keyword. */
export const SEARCH_ATTRIBUTES = {
  namespace: 'Beskar7Namespace',
  machine: 'Beskar7Machine',
  host: 'Beskar7Host',
  phase: 'Beskar7Phase',
} as const;
