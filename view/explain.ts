import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimOf } from '../crds/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { ANNOTATION_UNSCHEDULABLE } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import { CONDITIONS } from '../crds/reasons.ts';

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

/** What follows from a reason by itself, and what a person can do. `{retry}` and so on are replaced by lines to copy. */
interface Meaning {
  readonly next: string;
  readonly youCan?: readonly string[];
}

const GOES_ON = 'It goes on by itself.';
const NOTHING_BY_ITSELF = 'Nothing happens by itself: the server was switched off, and its host is free.';
const RETRY = 'Try again: {retry}';
const TRACE = 'See each step: {trace}';
const CONSOLE = "Look at the server's console: DHCP, iPXE, inspection image (docs/boot.md).";

/** By the reason of a machine's condition Ready. */
export const MACHINE_MEANINGS: Readonly<Record<string, Meaning>> = {
  WaitingForOwner: {
    next: 'It begins when Cluster API has made its owner Machine.',
    youCan: ['Remove the label cluster.x-k8s.io/cluster-name from a machine that stands alone.'],
  },
  WaitingForClusterInfrastructure: {
    next: "It begins when the cluster's infrastructure is ready.",
    youCan: ['Look at the Beskar7Cluster and the Cluster.'],
  },
  WaitingForBootstrapData: {
    next: 'It begins when the bootstrap provider has written the data.',
    youCan: ['Look at the bootstrap provider; for workers also at the control plane.'],
  },
  Paused: { next: 'It goes on when it, or its Cluster, is no longer paused.', youCan: ['Unpause it.'] },
  ClaimingHost: { next: GOES_ON, youCan: [TRACE, 'Stop it: {cancel}'] },
  NoMatchingHost: {
    next: 'It begins as soon as a host that fits is free; the oldest machine comes first.',
    youCan: ['Add hosts, free some, or change hostSelector.', 'See the hosts: {hosts}', 'Stop waiting: {cancel}'],
  },
  WaitingForInspection: {
    next: 'The report ends the wait; without one the inspection times out.',
    youCan: [CONSOLE, TRACE, 'Stop it: {cancel}'],
  },
  ValidatingHardware: { next: GOES_ON },
  WaitingForHandover: {
    next: 'The inspection image fetches the final OS and starts it; then the machine is Provisioned.',
    youCan: ["Look at the server's console. Does it reach targetOSImage?", 'Stop it: {cancel}'],
  },
  RetryingOnAnotherHost: { next: 'Another host that fits is tried.', youCan: [TRACE, 'Stop it: {cancel}'] },
  ReleasingHost: {
    next: 'The host is switched off and seen off, for as long as that takes.',
    youCan: ['See what holds it up: {explainHost}'],
  },
  HostMissing: {
    next: 'Nothing is claimed and nothing touched.',
    youCan: ['Restore the host, or delete the machine to replace it.'],
  },
  InspectionComplete: { next: 'Nothing: the machine is provisioned. A change of its spec is ignored from here on.' },
  BootFailed: {
    next: NOTHING_BY_ITSELF,
    youCan: ['Look at the BMC: is it reachable, does it do what it accepts? {explainHost}', RETRY],
  },
  InspectionTimeout: { next: NOTHING_BY_ITSELF, youCan: [CONSOLE, RETRY] },
  HardwareRequirementsNotMet: {
    next: NOTHING_BY_ITSELF,
    youCan: [
      'Lower hardwareRequirements, which tries again, or choose other hosts by hostSelector.',
      'What is in it: {report}',
    ],
  },
  ProvisionFailed: { next: NOTHING_BY_ITSELF, youCan: ["Look at the server's console, and at the image.", RETRY] },
  ProvisioningTimeout: {
    next: NOTHING_BY_ITSELF,
    youCan: ['A slow image server? An OS that does not report (readyWhen: OSReported)?', RETRY],
  },
  ClaimLost: { next: 'Nothing happens by itself: somebody changed or removed the claim.', youCan: [RETRY] },
  Cancelled: { next: NOTHING_BY_ITSELF, youCan: [RETRY, 'Or change the spec, which also tries again.'] },
  InvalidBootConfiguration: {
    next: NOTHING_BY_ITSELF,
    youCan: ['Mend the field that the message names: that tries again.'],
  },
  UnexpectedError: {
    next: NOTHING_BY_ITSELF,
    youCan: [TRACE, RETRY, 'Please report it, with the file of {export}'],
  },
};

const WAKE = 'Wake the BMC; or, when the server is off for certain: {force}';

/** By the reason of a host's condition Ready or RedfishReachable. */
export const HOST_MEANINGS: Readonly<Record<string, Meaning>> = {
  Enrolled: { next: 'A machine that fits may claim it.' },
  Released: { next: 'A machine that fits may claim it.' },
  ForceReleased: { next: 'It is enrolled again, and then offered.' },
  Claimed: { next: 'Its machine goes on.', youCan: ['See how: {explainMachine}'] },
  Inspecting: { next: 'Its machine goes on when the report is here.', youCan: ['See how: {explainMachine}'] },
  Validated: { next: 'Nothing: it serves its machine.', youCan: ['Free it by deleting that machine.'] },
  ReleasePending: { next: 'The release is tried again, without end, until the server is seen off.', youCan: [WAKE] },
  Reachable: { next: 'Its BMC is looked at again at the usual interval.' },
  Unreachable: {
    next: 'It is tried again at growing intervals, at most 10 minutes.',
    youCan: ['Look at address, routing and firewall. Is the BMC up?'],
  },
  Unauthorized: {
    next: 'It is tried again, at most once a minute: BMCs lock accounts.',
    youCan: ['Mend user and password in the Secret.'],
  },
  SecretMissing: {
    next: 'It is tried again when the Secret is there.',
    youCan: ['Make the Secret, or correct its name in the host.'],
  },
  SecretInvalid: {
    next: 'It is tried again when the Secret has changed.',
    youCan: ['It needs username and password; a CA bundle needs ca.crt.'],
  },
  SystemAmbiguous: {
    next: 'Nothing, until you have chosen.',
    youCan: ['Set redfishConnection.systemID to one of the ids in the message.'],
  },
  SystemNotFound: {
    next: 'It is tried again.',
    youCan: ['Correct redfishConnection.systemID: the ids are in the message.'],
  },
  CertificateNotTrusted: {
    next: 'It is tried again.',
    youCan: ['Give its CA by caBundleSecretRef; as a last resort insecureSkipVerify: true.'],
  },
  RedfishError: { next: 'It is tried again.', youCan: ["The BMC's own words are in the message."] },
};

/** How commands begin: `kubectl -n default`, `kubectl beskar7 -n default`. */
export interface Words {
  readonly kubectl: string;
  readonly plugin: string;
}

/** `kubectl ...` and `kubectl beskar7 ...` in a namespace. */
export function wordsFor(namespace: string): Words {
  return { kubectl: `kubectl -n ${namespace}`, plugin: `kubectl beskar7 -n ${namespace}` };
}

/** `host`: the one that it has, where it has one. */
export function explainMachine(machine: Beskar7Machine, host: PhysicalHost | undefined): Explanation {
  const { namespace = '', name, deletionTimestamp } = machine.metadata;
  const words = wordsFor(namespace);
  const phase = machine.status?.phase ?? 'Pending';
  const ready = findCondition(machine.status?.conditions, CONDITIONS.ready);
  const hostName = host?.metadata.name ?? machine.status?.hostRef?.name;
  const fill = filled({
    retry: `${words.plugin} retry ${name}`,
    cancel: `${words.plugin} cancel ${name}`,
    trace: `${words.plugin} trace ${name}`,
    export: `${words.plugin} export ${name}`,
    hosts: `${words.plugin} hosts`,
    explainHost: hostName === undefined ? `${words.plugin} hosts` : `${words.plugin} explain host/${hostName}`,
    report: hostName === undefined ? `${words.plugin} hosts` : `${words.plugin} report ${hostName}`,
  });
  const known = ready && MACHINE_MEANINGS[ready.reason];
  const meaning: Meaning =
    known ??
    (ready
      ? { next: 'See its message.', youCan: [TRACE] }
      : { next: 'It begins in a moment, when a controller of Beskar7 runs.', youCan: [`Is Beskar7 there? {doctor}`] });
  return {
    state: `Machine ${namespace}/${name} is ${phase}${deletionTimestamp === undefined ? '' : ', and is being deleted'}.`,
    why: [
      ...(ready ? [`${ready.reason}: ${ready.message}`] : ['Beskar7 has not said anything about it yet.']),
      ...(hostName === undefined
        ? []
        : [`Its host is ${hostName}${host ? ` (${host.status?.state ?? 'Enrolling'})` : ''}.`]),
    ],
    next:
      deletionTimestamp === undefined
        ? [meaning.next]
        : ['Its host is switched off, seen off and freed; then the machine goes, however long that takes.'],
    youCan: (meaning.youCan ?? []).map((line) => fill(line).replace('{doctor}', `${words.plugin} doctor`)),
  };
}

/** With the claim, the machine that has it, and what keeps it from being offered. */
export function explainHost(host: PhysicalHost): Explanation {
  const { namespace = '', name, deletionTimestamp, annotations } = host.metadata;
  const words = wordsFor(namespace);
  const { consumerRef } = host.spec;
  const claim = claimOf(host);
  const conditions = host.status?.conditions;
  const ready = findCondition(conditions, CONDITIONS.ready);
  const bmc = findCondition(conditions, CONDITIONS.redfishReachable);
  const fill = filled({
    explainMachine: consumerRef
      ? `kubectl beskar7 -n ${consumerRef.namespace} explain machine/${consumerRef.name}`
      : `${words.plugin} machines`,
    force: `${words.plugin} force-release ${name} --reason "why"`,
  });
  const raised = [
    CONDITIONS.deletionBlocked,
    CONDITIONS.consumerMissing,
    CONDITIONS.duplicateMAC,
    CONDITIONS.failureReported,
  ]
    .map((type) => findCondition(conditions, type))
    .filter((condition) => condition?.status === 'True')
    .map((condition) => `${condition?.type ?? ''}: ${condition?.message ?? ''}`);
  const unschedulable = annotations?.[ANNOTATION_UNSCHEDULABLE];
  // What is wrong with the BMC comes first: the rest waits for it.
  const reasons = [bmc?.status === 'True' ? undefined : bmc?.reason, ready?.reason].filter(
    (reason) => reason !== undefined,
  );
  const meanings = [...new Set(reasons)].flatMap((reason) => HOST_MEANINGS[reason] ?? []);
  return {
    state: `Host ${namespace}/${name} is ${host.status?.state ?? 'Enrolling'}${deletionTimestamp === undefined ? '' : ', and is being deleted'}.`,
    why: [
      ...(ready ? [`${ready.reason}: ${ready.message}`] : ['Its BMC has not been asked yet.']),
      ...(bmc && bmc.status !== 'True' && bmc.reason !== ready?.reason ? [`${bmc.reason}: ${bmc.message}`] : []),
      ...raised,
      ...(unschedulable === undefined ? [] : [`It is not offered to machines: ${unschedulable || 'no reason given'}.`]),
      ...(consumerRef
        ? [`It is claimed by machine ${consumerRef.namespace}/${consumerRef.name}${claim ? `, ${claim.stage}` : ''}.`]
        : []),
    ],
    next: meanings.length === 0 ? ['It is enrolled when its BMC answers.'] : meanings.map(({ next }) => next),
    youCan: [
      ...meanings.flatMap(({ youCan = [] }) => youCan.map(fill)),
      ...(unschedulable === undefined
        ? []
        : [`Offer it again: ${words.kubectl} annotate physicalhost ${name} ${ANNOTATION_UNSCHEDULABLE}-`]),
    ],
  };
}

function filled(lines: Readonly<Record<string, string>>): (text: string) => string {
  return (text) => text.replace(/\{(\w+)\}/g, (all, name: string) => lines[name] ?? all);
}
