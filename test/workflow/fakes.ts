import { ApplicationFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Context } from '@temporalio/activity';
import type {
  AwaitRunActivities,
  BmcActivities,
  KubernetesActivities,
  PermitActivities,
} from '../../activities/index.ts';
import type { ClaimHostResult } from '../../activities/claim/claimHost.ts';
import type { Plan } from '../../activities/claim/plan.ts';
import type { ClaimRef, ClaimState } from '../../contracts/claimRef.ts';
import { handoverReported, hostChanged, inspectionReported } from '../../contracts/messages.ts';
import {
  AWAIT_RUN_TASK_QUEUE,
  POWER_ON_TASK_QUEUE,
  TASK_QUEUE,
  WORKFLOW_TYPES,
  workflowId,
  type ObjectRef,
  type ReleaseInput,
} from '../../contracts/names.ts';

export type KubernetesNames = keyof KubernetesActivities;
/** Every activity, by name; `enrollHost` and the like are on the BMC's queue. */
export type Activities = KubernetesActivities & AwaitRunActivities & BmcActivities & PermitActivities;

const MINUTE_MS = 60_000;
const KUBERNETES: readonly KubernetesNames[] = [
  'claimHost',
  'takeReport',
  'openProvisioning',
  'settleHandover',
  'failMachine',
  'reportProgress',
  'markReleasing',
  'checkDeprovision',
  'findReleasing',
  'requestRelease',
  'findClaims',
  'lookForConsumer',
  'releaseHostUnserved',
  'retireHostUnserved',
  'enrollHostUnserved',
  'removeHostFinalizer',
  'removeMachineFinalizer',
];
const BMC: readonly (keyof BmcActivities)[] = [
  'enrollHost',
  'prepareBoot',
  'bootInspector',
  'clearNetworkBoot',
  'releaseHost',
  'retireHost',
  'monitorShard',
];

const WAITS: readonly (keyof AwaitRunActivities)[] = ['endProvisioning'];
const PERMITS: readonly (keyof PermitActivities)[] = ['acquirePowerOnPermit'];

export interface Call {
  readonly name: keyof Activities;
  readonly input: unknown;
}

/** Good hardware. */
export const HARDWARE = { cpuCores: 64, memoryBytes: 256 * 2 ** 30, largestDiskBytes: 2e12 };

/** A release that goes well, by the run that asks for it and by `release/<ns>/<host>`. */
export const RELEASE_STEPS: readonly (keyof Activities)[] = [
  'markReleasing',
  'requestRelease',
  'releaseHost',
  // The claim has ended.
  'markReleasing',
];

/** What a deprovision calls that has one host to release. */
export const DEPROVISION_STEPS: readonly (keyof Activities)[] = [
  'checkDeprovision',
  'endProvisioning',
  'findClaims',
  ...RELEASE_STEPS,
  'removeMachineFinalizer',
];

/** The activities of one test: what was called, and what they answer. */
export interface Fakes {
  readonly machine: ObjectRef;
  /** Calls in the order of their start. */
  readonly calls: readonly Call[];
  /** Names of the calls, and `!<name>` where one ended, in order. */
  readonly story: readonly string[];
  readonly implementation: Activities;
  /** Names of the calls. */
  names(): string[];
  /** Inputs of all calls of one activity. */
  inputs<Name extends keyof Activities>(name: Name): Parameters<Activities[Name]>[0][];
  /** Resolves when an activity is being called for the `count`-th time. */
  called(name: keyof Activities, count?: number): Promise<void>;
}

/** What a test replaces; as a function it is given those that let everything go well. */
export type Overrides = Partial<Activities> | ((well: Activities) => Partial<Activities>);

/** Activities that let everything go well, with some replaced. */
export function fakeActivities(env: TestWorkflowEnvironment, overrides: Overrides, machine: ObjectRef): Fakes {
  const calls: Call[] = [];
  const story: string[] = [];
  const ended = new Set<string>();
  const waiters: { name: string; count: number; resolve: () => void }[] = [];
  const well = wellBehaved(env, machine);
  const implementation: Activities = { ...well, ...(typeof overrides === 'function' ? overrides(well) : overrides) };
  const count = (name: string) => calls.filter((call) => call.name === name).length;
  const begun = (name: keyof Activities, input: unknown) => {
    calls.push({ name, input });
    story.push(name);
    for (const waiter of waiters) if (waiter.name === name && count(name) >= waiter.count) waiter.resolve();
  };
  const run = (name: keyof Activities) => async (input: unknown) => {
    begun(name, input);
    try {
      // What the API server says of it once it was freed, whatever a test has made of the call.
      if (name === 'markReleasing' && ended.has(claimIn(input))) return { kind: 'ended' };
      const result = await (implementation[name] as AnyActivity)(input);
      if (ENDS.includes(name) && (result as { kind: string }).kind !== 'pending') ended.add(claimIn(input));
      return result;
    } catch (error) {
      if (ENDS.includes(name) && (error as { type?: string }).type === 'ClaimLost') ended.add(claimIn(input));
      throw error;
    } finally {
      story.push(`!${name}`);
    }
  };
  const names: (keyof Activities)[] = [...KUBERNETES, ...WAITS, ...BMC, ...PERMITS];
  const recorded = Object.fromEntries(names.map((name) => [name, run(name)]));
  return {
    machine,
    calls,
    story,
    implementation: recorded as unknown as Activities,
    names: () => calls.map(({ name }) => name),
    inputs: (name) => calls.filter((call) => call.name === name).map(({ input }) => input) as never,
    called: (name, wanted = 1) =>
      new Promise((resolve) => {
        if (count(name) >= wanted) resolve();
        else waiters.push({ name, count: wanted, resolve });
      }),
  };
}

const ENDS: readonly (keyof Activities)[] = ['releaseHost', 'releaseHostUnserved'];
const claimIn = (input: unknown) => (input as { claim: ClaimRef }).claim.id;

/** As the activity does it: starts `release/<ns>/<host>`, or wakes it. */
async function requestRelease(env: TestWorkflowEnvironment, claim: ClaimRef, isFirst: boolean): Promise<void> {
  const { namespace, host: name, hostUid: uid, id, pool, machine } = claim;
  const input: ReleaseInput = { namespace, name, uid, claim: id, machine, ...(pool === undefined ? {} : { pool }) };
  const options = {
    taskQueue: TASK_QUEUE,
    workflowId: workflowId('release', input),
    args: [input],
    memo: { uid },
  };
  if (isFirst)
    await env.client.workflow.signalWithStart(WORKFLOW_TYPES.release, {
      ...options,
      signal: hostChanged,
      signalArgs: [{}],
    });
  else
    await env.client.workflow.start(WORKFLOW_TYPES.release, options).catch((error: unknown) => {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    });
}

/** By queue; all others are those of workers at BMCs. */
const ON_QUEUE: Readonly<Record<string, readonly (keyof Activities)[]>> = {
  [TASK_QUEUE]: KUBERNETES,
  [AWAIT_RUN_TASK_QUEUE]: WAITS,
  [POWER_ON_TASK_QUEUE]: PERMITS,
};

/** What a worker of a queue registers: each activity does what the test says whose workflow calls it. */
export function activitiesOn(
  queue: string,
  fakesOf: (workflowId: string) => Fakes,
): Record<string, (input: unknown) => Promise<unknown>> {
  const here = ON_QUEUE[queue] ?? BMC;
  return Object.fromEntries(
    here.map((name) => [
      name,
      (input: unknown) => {
        const { workflowId: caller } = Context.current().info.workflowExecution ?? {};
        return (fakesOf(caller ?? '').implementation[name] as AnyActivity)(input);
      },
    ]),
  );
}

type AnyActivity = (input: unknown) => Promise<unknown>;

/** The n-th claim of a machine: host-n, claim-n. */
export function claimRef(machine: ObjectRef, n = 1): ClaimRef {
  return {
    namespace: machine.namespace,
    host: `host-${machine.name}-${n}`,
    hostUid: `uid-${n}`,
    id: `claim-${n}`,
    machine,
  };
}

/** A claim as `claimHost` gives it; the server has 10 minutes to be seen on, by the test server's clock. */
export async function claimState(
  env: TestWorkflowEnvironment,
  machine: ObjectRef,
  parts: Partial<ClaimState> = {},
): Promise<ClaimState> {
  const attempt = parts.attempt ?? 1;
  return {
    ref: claimRef(machine, attempt),
    stage: 'Claimed',
    attempt,
    isAdopted: false,
    bootDeadline: await inMs(env, 10 * MINUTE_MS),
    ...parts,
  };
}

export function plan(parts: Partial<Plan> = {}): Plan {
  return {
    attempts: 1,
    readyWhen: 'HandedOver',
    requirements: undefined,
    specHash: 'hash',
    imageHash: 'image',
    retry: '',
    ...parts,
  };
}

/** `claimHost` that gives one host per attempt, with this plan. */
export function claims(env: TestWorkflowEnvironment, parts: Partial<Plan> = {}, state: Partial<ClaimState> = {}) {
  return async ({ run, attempt }: Parameters<Activities['claimHost']>[0]): Promise<ClaimHostResult> => ({
    kind: 'claimed',
    claim: await claimState(env, run.machine, { attempt, ...state }),
    plan: plan(parts),
    machineVersion: '2',
  });
}

/** A time by the test server's clock, RFC 3339. */
export async function inMs(env: TestWorkflowEnvironment, ms: number): Promise<string> {
  return new Date((await env.currentTimeMs()) + ms).toISOString();
}

/** The machine's provisioning, for signals and cancels. */
export function runOf(env: TestWorkflowEnvironment, machine: ObjectRef) {
  return env.client.workflow.getHandle(workflowId('provision', machine));
}

/** What a BMC activity does until it is told to end: it beats, and ends as cancelled. */
export async function untilCancelled(): Promise<never> {
  const beat = setInterval(() => Context.current().heartbeat(), 50);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(beat);
  }
}

/** Resolves when the activity was told to end; it may then end as it likes. */
export async function told(): Promise<void> {
  await untilCancelled().catch(() => undefined);
}

/** An activity whose worker is lost: no heartbeat, until the test server's clock has passed its heartbeat timeout. */
export async function lostWorker(env: TestWorkflowEnvironment): Promise<never> {
  await env.sleep('25 seconds');
  throw new Error('nobody hears this any more');
}

/** As when nobody took a call for a minute: nobodyTookIt.cjs makes Temporal's failure of it. */
export function nobodyTookIt(): ApplicationFailure {
  return ApplicationFailure.nonRetryable('nobody took it', 'NobodyTookIt');
}

export function bmcDown(message = 'connection refused'): ApplicationFailure {
  return ApplicationFailure.create({ message, type: 'BmcFailure' });
}

export function claimIsLost(message = 'the host is claimed by another run'): ApplicationFailure {
  return ApplicationFailure.create({ message, type: 'ClaimLost', nonRetryable: true });
}

function wellBehaved(env: TestWorkflowEnvironment, machine: ObjectRef): Activities {
  const run = () => runOf(env, machine);
  return {
    claimHost: claims(env),
    prepareBoot: () => Promise.resolve(),
    acquirePowerOnPermit: () => Promise.resolve(),
    clearNetworkBoot: () => Promise.resolve({ kind: 'clear' }),
    bootInspector: async ({ claim }) => {
      await run().signal(inspectionReported, { claim: claim.id });
      return { inspectionDeadline: await inMs(env, 10 * MINUTE_MS), machineVersion: '3' };
    },
    takeReport: () => Promise.resolve({ kind: 'reported', hardware: HARDWARE }),
    openProvisioning: async ({ claim }) => {
      await run().signal(handoverReported, { claim: claim.id });
      return { deadline: await inMs(env, 20 * MINUTE_MS), machineVersion: '4' };
    },
    settleHandover: () => Promise.resolve({ kind: 'provisioned' }),
    failMachine: () => Promise.resolve(),
    reportProgress: () => Promise.resolve({ machineVersion: '5' }),
    markReleasing: () => Promise.resolve({ kind: 'releasing' }),
    requestRelease: ({ claim, isFirst }) => requestRelease(env, claim, isFirst),
    releaseHost: () => Promise.resolve({ kind: 'released' }),
    checkDeprovision: () => Promise.resolve({ kind: 'due' }),
    endProvisioning: () => Promise.resolve(),
    findReleasing: ({ name: host, uid: hostUid, claim: id }) =>
      Promise.resolve({ ...claimRef(machine), host, hostUid, id }),
    findClaims: () => Promise.resolve([claimRef(machine)]),
    releaseHostUnserved: () => Promise.resolve({ kind: 'pending' }),
    retireHostUnserved: () => Promise.resolve({ kind: 'pending', pool: null }),
    enrollHostUnserved: () => Promise.resolve({ kind: 'pending', message: 'no worker', pool: null }),
    lookForConsumer: ({ isSecondLook }) => Promise.resolve({ kind: isSecondLook ? 'releasing' : 'missing' }),
    removeMachineFinalizer: () => Promise.resolve(),
    enrollHost: () => Promise.resolve({ kind: 'enrolled' }),
    retireHost: () => Promise.resolve({ kind: 'off', secrets: ['bmc'] }),
    removeHostFinalizer: () => Promise.resolve({ kind: 'gone' }),
    monitorShard: () => Promise.resolve({ kind: 'noHosts' }),
  };
}

/** For `release/<ns>/<host>`, on the claim of a test. */
export function releaseInput(fakes: Fakes): ReleaseInput {
  const claim = claimRef(fakes.machine);
  return { namespace: claim.namespace, name: claim.host, uid: claim.hostUid, claim: claim.id };
}
