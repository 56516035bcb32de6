import type { Beskar7Machine, MachinePhase } from '../crds/beskar7Machine.ts';
import { claimOf } from '../model/claim.ts';
import { findCondition, raisedConditions } from '../crds/conditions.ts';
import { ANNOTATION_UNSCHEDULABLE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS, RAISED_CONDITIONS } from '../crds/reasons.ts';
import { namedConsumer, namedHost } from '../model/references.ts';
import type { CapiMachine } from '../kube/resource.ts';
import type { Progress } from '../contracts/messages.ts';
import {
  HOST_MEANINGS,
  MACHINE_MEANINGS,
  PHASE_MEANINGS,
  STAGE_MEANINGS,
  STATE_MEANINGS,
  TRACE,
  type Meaning,
} from './meanings.ts';

/** Why an object is in its state, in words for the person who runs it. */
export interface Explanation {
  /** `Machine default/worker-01 is Failed.` */
  readonly state: string;
  /** Reason and message of its condition, and what else has a say. */
  readonly why: readonly string[];
  readonly next: readonly string[];
  /** Sentences and lines to copy; empty: nothing has to be done. */
  readonly youCan: readonly string[];
}

/** How command lines begin: `kubectl -n default`, `kubectl beskar7 -n default`. */
export interface Words {
  readonly kubectl: string;
  readonly plugin: string;
}

/**
 * `kubectl ...` and `kubectl beskar7 ...` in a namespace; `more`: flags that both need, to come to the same cluster.
 */
function wordsFor(namespace: string, more = ''): Words {
  const flags = `-n ${namespace}${more === '' ? '' : ` ${more}`}`;
  return { kubectl: `kubectl ${flags}`, plugin: `kubectl beskar7 ${flags}` };
}

/** What is known beside the object itself; all of it may be missing. */
export interface Around {
  /** The host that the machine has. */
  readonly host?: PhysicalHost | undefined;
  /** The Machine of Cluster API that owns it. */
  readonly owner?: CapiMachine | undefined;
  /** What its run says of itself, while one is open. */
  readonly progress?: Progress | undefined;
  /** Now, in milliseconds since 1970: times are then told as `in 3 min` too. */
  readonly nowMs?: number | undefined;
  /** Flags that the command lines need. */
  readonly flags?: string | undefined;
}

/** Why a machine is as it is, what happens next and when, and what one can do. Pure. */
export function explainMachine(machine: Beskar7Machine, around: Around = {}): Explanation {
  const { host, owner, progress, nowMs, flags } = around;
  const { namespace, name, deletionTimestamp } = machine.metadata;
  const phase = machine.status?.phase ?? 'Pending';
  const conditions = machine.status?.conditions;
  const ready = findCondition(conditions, CONDITIONS.ready);
  const hostName = host?.metadata.name ?? namedHost(machine)?.name;
  const meaning = meaningOf(ready?.reason, progress);
  const fill = filled(machineLines(machine, hostName, owner, flags));
  const raised = [CONDITIONS.paused, CONDITIONS.writeRefused, 'SpecChangeIgnored'].flatMap((type) => {
    const condition = findCondition(conditions, type);
    return condition?.status === 'True' && condition.reason !== ready?.reason ? [`${type}: ${condition.message}`] : [];
  });
  const isGoing = deletionTimestamp !== undefined;
  return {
    state: `Machine ${namespace}/${name} is ${phase}${isGoing ? ', and is being deleted' : ''}: ${PHASE_MEANINGS[phase]}.`,
    why: [
      ...(ready ? [`${ready.reason}: ${ready.message}`] : []),
      ...(ready === undefined && progress === undefined ? ['Beskar7 has not reported anything about it yet.'] : []),
      ...raised,
      ...(progress === undefined ? [] : [runText(progress, nowMs, ready?.message)]),
      ...(hostName === undefined ? [] : [hostText(hostName, host)]),
      ...(owner === undefined ? [] : [ownerText(owner)]),
    ],
    next: isGoing
      ? [
          'Its host is powered off, power-off is confirmed, and the host is freed; then the machine is removed. There is no time limit.',
        ]
      : [meaning.next, ...whenText(phase, host, progress, nowMs)],
    youCan: [
      ...(isGoing && hostName !== undefined ? ['See what blocks it: {explainHost}'] : (meaning.youCan ?? [])).map(fill),
      ...(phase === 'Failed' && owner !== undefined && !isGoing
        ? [fill('Or have Cluster API replace it: {deleteOwner}')]
        : []),
    ],
  };
}

function meaningOf(reason: string | undefined, progress: Progress | undefined): Meaning {
  if (reason === undefined && progress !== undefined) return { next: 'Its run has just started.', youCan: [TRACE] };
  if (reason === undefined)
    return {
      next: 'It starts in a moment, if a controller of Beskar7 is running.',
      youCan: ['Is Beskar7 running? {doctor}'],
    };
  const known: Readonly<Record<string, Meaning>> = { ...MACHINE_MEANINGS };
  return known[reason] ?? { next: 'See its message.', youCan: [TRACE] };
}

function machineLines(
  machine: Beskar7Machine,
  hostName: string | undefined,
  owner: CapiMachine | undefined,
  flags: string | undefined,
): Record<string, string> {
  const { namespace, name, labels } = machine.metadata;
  const { kubectl, plugin } = wordsFor(namespace, flags);
  const cluster = owner?.spec.clusterName ?? labels?.['cluster.x-k8s.io/cluster-name'];
  const ownerName = owner?.metadata.name;
  return {
    retry: `${plugin} retry ${name}`,
    cancel: `${plugin} cancel ${name}`,
    trace: `${plugin} trace ${name}`,
    export: `${plugin} export ${name}`,
    hosts: `${plugin} hosts`,
    doctor: `${plugin} doctor`,
    explainHost: hostName === undefined ? `${plugin} hosts` : `${plugin} explain host/${hostName}`,
    report: hostName === undefined ? `${plugin} hosts` : `${plugin} report ${hostName}`,
    edit: `${kubectl} edit beskar7machine ${name}`,
    delete: `${kubectl} delete beskar7machine ${name}`,
    unpause: `${kubectl} annotate beskar7machine ${name} cluster.x-k8s.io/paused-`,
    cluster: `${kubectl} describe cluster,beskar7cluster${cluster === undefined ? '' : ` -l cluster.x-k8s.io/cluster-name=${cluster}`}`,
    owner: `${kubectl} describe ${ownerName === undefined ? 'machine' : `machine ${ownerName}`}`,
    deleteOwner: `${kubectl} delete machine.cluster.x-k8s.io ${ownerName ?? ''}`,
  };
}

function runText(progress: Progress, nowMs: number | undefined, said = ''): string {
  const { waitingFor, since, attempt, why, dropped } = progress;
  const doing = waitingFor === undefined ? 'works' : `waits for ${waitingFor}`;
  // Most of the time the condition says it already.
  const reason =
    why === undefined || said.includes(why)
      ? '.'
      : `${waitingFor === undefined ? '; it failed: ' : ': '}${why.replace(/\.?$/, '.')}`;
  const signals = dropped === undefined ? '' : ` It received unreadable signals: ${dropped}.`;
  return `Its run ${doing}, since ${past(since, nowMs)}, in attempt ${attempt}${reason}${signals}`;
}

function hostText(name: string, host: PhysicalHost | undefined): string {
  if (host === undefined) return `Its host is ${name}.`;
  const bmc = findCondition(host.status?.conditions, CONDITIONS.redfishReachable);
  const power = host.status?.powerState;
  const facts = [host.status?.state ?? 'Enrolling', ...(power === undefined ? [] : [`power ${power}`])];
  const trouble = bmc !== undefined && bmc.status !== 'True' ? ` Its BMC: ${bmc.reason}: ${bmc.message}` : '';
  const raised = raisedConditions(host.status?.conditions, RAISED_CONDITIONS).map(
    ({ type, message }) => ` ${type}: ${message}`,
  );
  return `Its host is ${name} (${facts.join(', ')}).${trouble}${raised.join('')}`;
}

function ownerText({ metadata, spec }: CapiMachine): string {
  const cluster = spec.clusterName === undefined ? '' : ` of Cluster ${spec.clusterName}`;
  return `Its owner is Machine ${metadata.name}${cluster} of Cluster API.`;
}

/** Until when at most: what the run says, else what stands on the host. */
function whenText(
  phase: MachinePhase,
  host: PhysicalHost | undefined,
  progress: Progress | undefined,
  nowMs: number | undefined,
): string[] {
  const deadline =
    progress?.deadline ??
    (phase === 'Inspecting' ? host?.status?.inspection?.deadline : undefined) ??
    (phase === 'Claiming' && host !== undefined ? claimOf(host)?.deadline : undefined);
  return deadline === undefined ? [] : [`At the latest ${moment(deadline, nowMs)} the wait is over.`];
}

/**
 * Why a host is as it is: its BMC first, then its claim, the machine that has it, and what keeps it from being offered.
 * Pure.
 */
export function explainHost(host: PhysicalHost, around: Pick<Around, 'nowMs' | 'flags'> = {}): Explanation {
  const { nowMs, flags } = around;
  const { namespace, name, deletionTimestamp, annotations } = host.metadata;
  const words = wordsFor(namespace, flags);
  const { consumerRef, redfishConnection } = host.spec;
  const claim = claimOf(host);
  const state = host.status?.state ?? 'Enrolling';
  const conditions = host.status?.conditions;
  const ready = findCondition(conditions, CONDITIONS.ready);
  const bmc = findCondition(conditions, CONDITIONS.redfishReachable);
  const isGoing = deletionTimestamp !== undefined;
  const consumer = namedConsumer(host);
  const fill = filled({
    explainMachine:
      consumer === undefined ? `${words.plugin} machines` : `${words.plugin} explain machine/${consumer.name}`,
    force: `${words.plugin} force-release ${name} --reason "why"`,
    edit: `${words.kubectl} edit physicalhost ${name}`,
    secret: `${words.kubectl} edit secret ${redfishConnection.credentialsSecretRef}`,
    makeSecret: `${words.kubectl} create secret generic ${redfishConnection.credentialsSecretRef} --from-literal=username=... --from-literal=password=...`,
  });
  const raised = raisedConditions(conditions, [CONDITIONS.paused, ...RAISED_CONDITIONS]);
  const isOrphan = raised.some(({ type }) => type === CONDITIONS.consumerMissing);
  const unschedulable = annotations?.[ANNOTATION_UNSCHEDULABLE];
  // What is wrong with the BMC comes first: the rest waits for it.
  const reasons = [bmc?.status === 'True' ? undefined : bmc?.reason, ready?.reason];
  const known: Readonly<Record<string, Meaning>> = { ...HOST_MEANINGS };
  const meanings = [...new Set(reasons)].flatMap((reason) => (reason && known[reason]) || []);
  const nextAttempt = host.status?.enrollment?.nextAttemptAt;
  return {
    state: `Host ${namespace}/${name} is ${state}${isGoing ? ', and is being deleted' : ''}: ${STATE_MEANINGS[state]}.`,
    why: [
      ...(ready ? [`${ready.reason}: ${ready.message}`] : ['Its BMC has not been contacted yet.']),
      ...(bmc && bmc.status !== 'True' && bmc.reason !== ready?.reason ? [`${bmc.reason}: ${bmc.message}`] : []),
      ...raised.map(({ type, message }) => `${type}: ${message}`),
      ...(unschedulable === undefined ? [] : [`It is not offered to machines: ${unschedulable || 'no reason given'}.`]),
      ...(consumer
        ? [
            `It is claimed by machine ${consumer.namespace}/${consumer.name}${claim ? `, which ${STAGE_MEANINGS[claim.stage]}` : ''}.`,
          ]
        : []),
      ...(consumerRef !== undefined && consumer === undefined
        ? [
            `Its spec.consumerRef names ${consumerRef.kind} ${consumerRef.namespace}/${consumerRef.name}, which is not a Beskar7Machine of its namespace: Beskar7 ignores it.`,
          ]
        : []),
    ],
    next: [
      ...(meanings.length === 0 ? ['It is enrolled when its BMC answers.'] : meanings.map(({ next }) => next)),
      ...(nextAttempt === undefined || bmc?.status === 'True'
        ? []
        : [`The next attempt is due ${moment(nextAttempt, nowMs)}.`]),
    ],
    youCan: [
      ...meanings.flatMap(({ youCan = [] }) => youCan.map(fill)),
      ...(isOrphan ? [fill('Restore the machine; or look at the server, power it off, then: {force}')] : []),
      ...(unschedulable === undefined
        ? []
        : [`Offer it again: ${words.kubectl} annotate physicalhost ${name} ${ANNOTATION_UNSCHEDULABLE}-`]),
    ],
  };
}

/** `2026-11-23T10:00:00Z (in 3 min)`. */
function moment(time: string, nowMs: number | undefined): string {
  const atMs = Date.parse(time);
  if (nowMs === undefined || Number.isNaN(atMs)) return time;
  const seconds = Math.round(Math.abs(atMs - nowMs) / 1000);
  const span =
    seconds < 90
      ? `${seconds} s`
      : seconds < 5400
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3600)} h`;
  return `${time} (${atMs > nowMs ? `in ${span}` : `${span} ago`})`;
}

/** The same of what has been: the clock of the server may be ahead of this one. */
function past(time: string, nowMs: number | undefined): string {
  return moment(time, nowMs === undefined ? undefined : Math.max(nowMs, Date.parse(time)));
}

function filled(lines: Readonly<Record<string, string>>): (text: string) => string {
  return (text) => text.replace(/\{(\w+)\}/g, (all, name: string) => lines[name] ?? all);
}
