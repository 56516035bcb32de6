import type { WorkflowHandle } from '@temporalio/client';
import { ANNOTATION_CLAIM, ANNOTATION_FORCE_RELEASE, GROUP, VERSION } from '../../../crds/names.ts';
import type { Faults } from '../../../simulator/faults.ts';
import type { Component } from '../../../tools/controlplane/component.ts';
import type { World } from '../../support/world.ts';
import { told } from '../../support/conditions.ts';

/** Two minutes of tries, then the deadline of what a lost worker may have sent. */
export const LONG_MS = 300_000;

/** temporal.api.enums.v1.PendingActivityState. */
const STARTED = 2;

export type Scenario = (world: World) => Promise<unknown>;

const taken = new WeakMap<World, number>();
/** A host that no other scenario uses. */
export function next(world: World): string {
  const number = (taken.get(world) ?? 0) + 1;
  taken.set(world, number);
  return `host-${number}`;
}

export const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
export const sim = (host: string) => `sim-${(host.split('-').at(-1) ?? '').padStart(4, '0')}`;
export const patch = (world: World, host: string, spec: object) =>
  world.kubectl('patch', 'physicalhost', host, '--type=merge', '-p', JSON.stringify({ spec }));
export const usePool = (world: World, host: string, workerPool: string | null) =>
  patch(world, host, { redfishConnection: { workerPool } });
export const waits = (world: World, name: string, boundMs?: number) =>
  world.untilMachine(name, 'waiting', (machine) => told(machine).startsWith('NoMatchingHost'), boundMs);
export const force = (world: World, host: string) =>
  world.kubectl('annotate', 'physicalhost', host, `${ANNOTATION_FORCE_RELEASE}=recorded`);

export async function remove(world: World, machine: string): Promise<void> {
  await world.kubectl('delete', 'beskar7machine', machine, '--wait=false');
  await world.machineIsGone(machine, LONG_MS);
}

export async function removeHost(world: World, host: string): Promise<void> {
  await world.kubectl('delete', 'physicalhost', host, '--wait=false');
  await world.hostIsGone(host, LONG_MS);
}

/** A machine whose run fails by a fault of its host. */
export async function fails(world: World, machine: string, faults: Faults, spec: object = {}): Promise<void> {
  const host = next(world);
  await world.fleet.fault(sim(host), faults);
  await world.addMachine(machine, { ...on(host), ...spec });
  await world.machineIs(machine, 'Failed', LONG_MS);
  await world.fleet.heal(sim(host));
}

/** A process with the workers of a pool of its own. */
export function site(world: World, pool: string, suffix = ''): Promise<Component> {
  return world.startAnother(`${pool}${suffix}`, ['--roles=bmc-worker', `--worker-pool=${pool}`]);
}

/** Gives a host to a pool whose workers are there, and waits until they have enrolled it. */
export async function moveTo(world: World, host: string, pool: string): Promise<void> {
  const enrolment = world.temporal.workflow.getHandle(`enroll/${world.namespace}/${host}`);
  const { runId } = await enrolment.describe();
  await usePool(world, host, pool);
  await untilAnotherRun(world, enrolment.workflowId, runId);
  await enrolment.result();
}

/** A policy of the API server that lets nobody claim a host. */
export function noClaimsOf(host: string): object {
  const [apiVersion, name] = ['admissionregistration.k8s.io/v1', `no-claims-of-${host}`];
  const rule = { apiGroups: [GROUP], apiVersions: [VERSION], operations: ['UPDATE'], resources: ['physicalhosts'] };
  const isFree = `!has(object.metadata.annotations) || !('${ANNOTATION_CLAIM}' in object.metadata.annotations)`;
  const policy = {
    failurePolicy: 'Fail',
    matchConstraints: { resourceRules: [rule], objectSelector: { matchLabels: { only: host } } },
    validations: [{ expression: isFree, message: 'no claims today' }],
  };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion, kind: 'ValidatingAdmissionPolicy', metadata: { name }, spec: policy },
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    ],
  };
}

/** Whether a run has come to an activity. */
export async function hasScheduled(run: WorkflowHandle, activity: string): Promise<boolean> {
  const { events } = await run.fetchHistory();
  return (events ?? []).some(
    ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType?.name === activity,
  );
}

/** Whether a worker has an activity of a run in hand. */
export async function isInHand(run: WorkflowHandle, activity: string): Promise<boolean> {
  const { raw } = await run.describe();
  return (raw.pendingActivities ?? []).some(
    ({ activityType, state }) => activityType?.name === activity && state === STARTED,
  );
}

/** Waits until a workflow id has another run than the one named; `prod` is done before each look. */
export async function untilAnotherRun(
  world: World,
  id: string,
  runId: string,
  prod = async () => undefined as unknown,
) {
  await until(`${id} has gone on in another run`, async () => {
    await prod();
    return (await world.temporal.workflow.getHandle(id).describe()).runId !== runId;
  });
}

/** Looks twice a second. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + LONG_MS;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not within ${LONG_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
