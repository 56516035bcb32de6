import { condition, findCondition, isUpToDate, withConditions, type ConditionPatch } from '../../crds/conditions.ts';
import { API_VERSION } from '../../crds/names.ts';
import { CONDITIONS, HOST_REASONS } from '../../crds/reasons.ts';
import type { KubeError } from '../../kube/error.ts';
import { MACHINES, type Identified } from '../../kube/resource.ts';
import type { ObjectRef } from '../../contracts/names.ts';
import type { ClaimRef, RunContext } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { isRefusedWrite } from '../failures.ts';
import { patchHostStatus } from './hostStore.ts';
import { writeMachineStatus, type MachineReport, type Written } from './machineStatus.ts';

/** Owns the condition `WriteRefused` of machines. */
const FIELD_MANAGER = 'beskar7-refused';
/**
 * Activities whose success shows that a machine's run continues or has come to its end: nothing is refused any more
 * that matters to it.
 */
const ENDS: ReadonlySet<string> = new Set(['claimHost', 'failMachine', 'settleHandover', 'releaseHost']);

/**
 * Activities whose input is the reference of a host; that of the others is of a machine, where it names neither run nor
 * claim.
 */
const OF_HOSTS: ReadonlySet<string> = new Set(['findClaim', 'enrollHostUnserved']);

/** The objects that a step is about. */
interface Subjects {
  readonly machine?: ObjectRef | undefined;
  readonly host?: { readonly namespace: string; readonly name: string } | undefined;
}

type Deps = Pick<Dependencies, 'kube' | 'caches' | 'recorder' | 'metrics' | 'logger'>;
type Activities = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;

/**
 * The same activities; one that the API server refuses a call for good (403, 422: a policy or a missing role) says so
 * on the machine and on the host that it is about, by event and condition `WriteRefused`, and fails as before. Temporal
 * repeats it for as long as it takes, and without this it would stay unreported: what is refused is often just the
 * write that would have told.
 */
export function reportingRefusals<A extends object>(deps: Deps, activities: A): A {
  const told = Object.entries(activities as Activities).map(([name, activity]) => [
    name,
    async (...args: never[]) => {
      const subjects = subjectsOf(name, args[0]);
      try {
        const result = await activity(...args);
        await clear(deps, subjects, name);
        return result;
      } catch (error) {
        if (isRefusedWrite(error)) await reportRefusal(deps, subjects, name, error);
        throw error;
      }
    },
  ]);
  return Object.fromEntries(told) as A;
}

/**
 * Writes what a run says of its machine on the way. Refused for good it is reported on the host, and the run continues
 * without: its deadlines hold, and a server does not wait for a policy of the API server with its token valid. What a
 * run says at its end is never left out.
 */
export async function writeProgress(
  deps: Deps,
  run: RunContext,
  report: MachineReport & { readonly host: string },
): Promise<Written> {
  try {
    return await writeMachineStatus(deps.kube, run, report);
  } catch (error) {
    if (!isRefusedWrite(error)) throw error;
    const { namespace } = run.machine;
    await reportRefusal(
      deps,
      { machine: run.machine, host: { namespace, name: report.host } },
      'reportProgress',
      error,
    );
    return {};
  }
}

/** Tells of a refused call by metric, event and condition. Does not fail. */
export async function reportRefusal(deps: Deps, subjects: Subjects, activity: string, error: KubeError): Promise<void> {
  deps.metrics.requestRefused();
  const patch: ConditionPatch = {
    type: CONDITIONS.writeRefused,
    status: 'True',
    reason: HOST_REASONS.apiServerRefused,
    message:
      `${error.message}. The step ${activity} is held up by it and tried again every 30 s: ` +
      'look at the admission policies of the cluster and at the permissions of Beskar7.',
  };
  for (const object of objectsOf(deps, subjects)) deps.recorder.event(object, 'Warning', 'WriteRefused', patch.message);
  await setOnHost(deps, subjects, patch);
  await setOnMachine(deps, subjects, patch);
}

/** A step that was told to be refused has succeeded, or the run has come to an end. */
async function clear(deps: Deps, subjects: Subjects, activity: string): Promise<void> {
  const isOver = (message: string | undefined) =>
    message !== undefined && (ENDS.has(activity) || message.includes(`The step ${activity} is held up`));
  const { machine, host } = cached(deps, subjects);
  if (isOver(findCondition(host?.status?.conditions, CONDITIONS.writeRefused)?.message))
    await setOnHost(deps, subjects, undefined);
  if (isOver(findCondition(machine?.status?.conditions, CONDITIONS.writeRefused)?.message))
    await setOnMachine(deps, subjects, undefined);
}

/** Absent: taken away. What is refused here, too, was said by the event and the metric. */
async function setOnHost(deps: Deps, { host }: Subjects, patch: ConditionPatch | undefined): Promise<void> {
  if (!host) return;
  await quietly(deps, () =>
    patchHostStatus(deps.kube, { namespace: host.namespace, host: host.name }, ({ status, metadata }) => {
      const { conditions = [] } = status ?? {};
      const is = findCondition(conditions, CONDITIONS.writeRefused);
      if (patch === undefined ? is === undefined : isUpToDate(is, patch)) return undefined;
      const others = conditions.filter(({ type }) => type !== CONDITIONS.writeRefused);
      if (patch === undefined) return { conditions: others };
      return { conditions: withConditions(conditions, [patch], new Date().toISOString(), metadata.generation) };
    }),
  );
}

async function setOnMachine(deps: Deps, subjects: Subjects, patch: ConditionPatch | undefined): Promise<void> {
  const { machine: ref } = subjects;
  if (!ref) return;
  const is = findCondition(cached(deps, subjects).machine?.status?.conditions, CONDITIONS.writeRefused);
  if (patch !== undefined && isUpToDate(is, patch)) return;
  const { namespace, name, uid } = ref;
  await quietly(deps, async () => {
    // Live, for its version: an apply creates no object, and tells nothing to another one of its name.
    const { metadata } = await deps.kube.get(MACHINES, namespace, name);
    if (metadata.uid !== uid) return;
    const conditions = patch === undefined ? [] : [condition(patch, new Date().toISOString(), metadata.generation, is)];
    const applied = {
      apiVersion: API_VERSION,
      kind: MACHINES.kind,
      metadata: { namespace, name, uid, resourceVersion: metadata.resourceVersion },
      status: { conditions },
    };
    await deps.kube.applyStatus(MACHINES, applied as never, { fieldManager: FIELD_MANAGER, force: true });
  });
}

async function quietly(deps: Deps, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    deps.logger.debug({ err: error }, 'a denied write could not be reported in a condition');
  }
}

function cached({ caches }: Deps, { machine, host }: Subjects) {
  const found = machine && caches.machine(machine.namespace, machine.name);
  return {
    machine: found?.metadata.uid === machine?.uid ? found : undefined,
    host: host && caches.host(host.namespace, host.name),
  };
}

function objectsOf(deps: Deps, subjects: Subjects): Identified[] {
  const { host } = cached(deps, subjects);
  const { machine } = subjects;
  return [
    ...(machine ? [{ apiVersion: API_VERSION, kind: MACHINES.kind, metadata: { ...machine } }] : []),
    ...(host ? [host] : []),
  ];
}

/** What the input of an activity is about: each names its claim, its run, its machine or its host. */
function subjectsOf(activity: string, input: unknown): Subjects {
  const { claim, run, host, ...own } = (input ?? {}) as {
    claim?: unknown;
    run?: { machine?: ObjectRef };
    host?: unknown;
  } & Partial<ClaimRef> &
    Partial<ObjectRef>;
  if (isClaimRef(claim)) return ofClaim(claim);
  if (isClaimRef(input)) return ofClaim(input);
  if (run?.machine) return { machine: run.machine };
  if (isObjectRef(host)) return { host };
  if (!isObjectRef(own)) return {};
  return OF_HOSTS.has(activity) ? { host: own } : { machine: own };
}

function ofClaim({ namespace, host, machine }: ClaimRef): Subjects {
  return { machine, host: { namespace, name: host } };
}

function isClaimRef(value: unknown): value is ClaimRef {
  const { host, machine, hostUid } = (value ?? {}) as Partial<ClaimRef>;
  return typeof host === 'string' && typeof hostUid === 'string' && isObjectRef(machine);
}

function isObjectRef(value: unknown): value is ObjectRef {
  const { namespace, name, uid } = (value ?? {}) as Partial<ObjectRef>;
  return typeof namespace === 'string' && typeof name === 'string' && typeof uid === 'string';
}
