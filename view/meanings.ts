import type { MachinePhase } from '../crds/beskar7Machine.ts';
import type { ClaimStage } from '../model/claim.ts';
import type { HostState } from '../crds/physicalHost.ts';
import type { HostReason, MachineReason } from '../crds/reasons.ts';

/**
 * What follows from a reason by itself, and what a person can do. `{retry}` and so on are replaced by lines to copy.
 */
export interface Meaning {
  readonly next: string;
  readonly youCan?: readonly string[];
}

const GOES_ON = 'It goes on by itself.';
const NOTHING_BY_ITSELF = 'Nothing happens by itself: the server was switched off, and its host is free.';
const RETRY = 'Try again: {retry}';
export const TRACE = 'See each step: {trace}';
const CONSOLE = "Look at the server's console: DHCP, iPXE, inspection image (docs/boot.md).";

/** What a phase means, to go on with after `... is Inspecting: `. */
export const PHASE_MEANINGS: Readonly<Record<MachinePhase, string>> = {
  Pending: 'no provisioning of it has begun',
  Claiming: 'it gets a host, whose server is switched off and then on, to boot from the network',
  Inspecting: 'its server is on and boots the inspection image, which will report the hardware',
  Validating: 'the report is here and is held against hardwareRequirements',
  Provisioning: 'the hardware is good; the inspection image fetches the final OS and hands over to it',
  Provisioned: 'its server runs the final OS',
  Failed: 'its last provisioning ended without success',
};

/** What a state of a host means. */
export const STATE_MEANINGS: Readonly<Record<HostState, string>> = {
  Enrolling: 'its BMC is being asked who it is for the first time',
  Available: 'it is free, and machines that fit may claim it',
  InUse: 'a machine has claimed it, and its server is being made ready to boot',
  Inspecting: 'its server boots the inspection image for the machine that has claimed it',
  Ready: 'the machine that has it is served by it',
  Error: 'something has to be mended before it is offered to machines',
};

/** What a claim is at, to go on with after `..., which `. */
export const STAGE_MEANINGS: Readonly<Record<ClaimStage, string>> = {
  Claimed: 'has it and has not switched it on yet',
  Armed: 'has it; it may fetch its boot script and report',
  HandedOver: 'runs on it: nothing touches the server until that machine is deleted',
  Releasing: 'gives it back: the server is switched off and seen off first',
};

/** Before any run: Cluster API's order, and pauses. Written by the watcher of machines. */
type WaitReason = 'WaitingForOwner' | 'WaitingForClusterInfrastructure' | 'WaitingForEarlierRun' | 'Paused';

/** By the reason of a machine's condition Ready. */
export const MACHINE_MEANINGS: Readonly<Record<MachineReason | WaitReason, Meaning>> = {
  WaitingForOwner: {
    next: 'It begins when Cluster API has made its owner Machine.',
    youCan: ['Remove the label cluster.x-k8s.io/cluster-name from a machine that stands alone.'],
  },
  WaitingForClusterInfrastructure: {
    next: "It begins when the cluster's infrastructure is ready.",
    youCan: ['See the cluster: {cluster}'],
  },
  WaitingForBootstrapData: {
    next: 'It begins when the bootstrap provider has written the data.',
    youCan: ['Look at the bootstrap provider; for workers also at the control plane: {owner}'],
  },
  WaitingForEarlierRun: {
    next: 'It begins when the run of an earlier machine of this name has ended, which it does by itself.',
    youCan: ['See what that run waits for: {trace}', 'Cancel it: {cancel}'],
  },
  Paused: {
    next: 'It goes on when it, or its Cluster, is no longer paused.',
    youCan: ['Unpause the machine: {unpause}', 'Or its Cluster, where that is paused (spec.paused).'],
  },
  ClaimingHost: { next: GOES_ON, youCan: [TRACE, 'Stop it: {cancel}'] },
  NoMatchingHost: {
    next: 'It begins as soon as a host that fits is free; the oldest machine comes first.',
    youCan: ['Add hosts, free some, or change hostSelector.', 'See the hosts: {hosts}', 'Stop waiting: {cancel}'],
  },
  ClaimRefused: {
    next: 'It is tried again every 30 s.',
    youCan: [
      "See what refuses it: the API server's admission policies and webhooks, and the ClusterRole of Beskar7.",
      'Stop trying: {cancel}',
    ],
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
    youCan: ['Restore the host; or give the machine up: {delete}'],
  },
  InspectionComplete: { next: 'Nothing: the machine is provisioned. A change of its spec is ignored from here on.' },
  BootFailed: {
    next: NOTHING_BY_ITSELF,
    youCan: ['Look at the BMC: is it reachable, does it do what it accepts? {explainHost}', RETRY],
  },
  DifferentServer: {
    next: NOTHING_BY_ITSELF,
    youCan: ['The host says which server answers there, and how to accept it: {explainHost}', RETRY],
  },
  InspectionTimeout: { next: NOTHING_BY_ITSELF, youCan: [CONSOLE, RETRY] },
  HardwareRequirementsNotMet: {
    next: NOTHING_BY_ITSELF,
    youCan: [
      'Lower hardwareRequirements, or choose other hosts by hostSelector, which tries again: {edit}',
      'What is in it: {report}',
    ],
  },
  ProvisionFailed: { next: NOTHING_BY_ITSELF, youCan: ["Look at the server's console, and at the image.", RETRY] },
  ProvisioningTimeout: {
    next: NOTHING_BY_ITSELF,
    youCan: ['A slow image server? An OS that does not report (readyWhen: OSReported)?', RETRY],
  },
  ClaimLost: { next: 'Nothing happens by itself: somebody changed or removed the claim.', youCan: [RETRY] },
  Cancelled: { next: NOTHING_BY_ITSELF, youCan: [RETRY, 'Or change the spec, which also tries again: {edit}'] },
  InvalidBootConfiguration: {
    next: NOTHING_BY_ITSELF,
    youCan: ['Mend the field that the message names, which tries again: {edit}'],
  },
  UnexpectedError: {
    next: NOTHING_BY_ITSELF,
    youCan: [TRACE, RETRY, 'Please report it, with the file of {export}'],
  },
};

const WAKE = 'Wake the BMC; or, when the server is off for certain: {force}';

/** By the reason of a host's condition Ready or RedfishReachable. */
export const HOST_MEANINGS: Readonly<Record<HostReason, Meaning>> = {
  Enrolled: { next: 'A machine that fits may claim it.' },
  Released: { next: 'A machine that fits may claim it.' },
  ForceReleased: { next: 'It is enrolled again, and then offered.' },
  Claimed: { next: 'Its machine goes on.', youCan: ['See how: {explainMachine}'] },
  Inspecting: { next: 'Its machine goes on when the report is here.', youCan: ['See how: {explainMachine}'] },
  Validated: { next: 'Nothing: it serves its machine.', youCan: ['See what runs on it: {explainMachine}'] },
  ReleasePending: { next: 'The release is tried again, without end, until the server is seen off.', youCan: [WAKE] },
  Reachable: { next: 'Its BMC is looked at again at the usual interval.' },
  Unreachable: {
    next: 'It is tried again at growing intervals, at most 10 minutes.',
    youCan: ['Look at address, routing and firewall. Is the BMC up?'],
  },
  Unauthorized: {
    next: 'The same password is not sent again for an hour, since BMCs lock accounts; another one within a minute.',
    youCan: ['Mend user and password in the Secret: {secret}'],
  },
  PasswordChangeRequired: {
    next: 'It is tried again once a minute.',
    youCan: ['Set a new password at the BMC, then put it into the Secret: {secret}'],
  },
  SecretMissing: {
    next: 'It is tried again when the Secret is there.',
    youCan: ['Make the Secret: {makeSecret}', 'Or correct its name in the host: {edit}'],
  },
  SecretInvalid: {
    next: 'It is tried again when the Secret has changed.',
    youCan: ['It needs username and password; a CA bundle needs ca.crt: {secret}'],
  },
  SystemAmbiguous: {
    next: 'Nothing, until you have chosen.',
    youCan: ['Set redfishConnection.systemID to one of the ids in the message: {edit}'],
  },
  SystemNotFound: {
    next: 'It is tried again.',
    youCan: ['Correct redfishConnection.systemID, the ids are in the message: {edit}'],
  },
  CertificateNotTrusted: {
    next: 'It is tried again.',
    youCan: ['Give its CA by caBundleSecretRef, or as a last resort insecureSkipVerify: {edit}'],
  },
  AddressNotAllowed: {
    next: 'It is tried again at growing intervals, at most 10 minutes; nothing is sent.',
    youCan: ['Correct the address of the BMC: {edit}', 'Or have the network added to --bmc-networks.'],
  },
  PlainHTTPForbidden: {
    next: 'It is tried again at growing intervals, at most 10 minutes; nothing is sent.',
    youCan: ['Give the address of the BMC as https:// and its CA by caBundleSecretRef: {edit}'],
  },
  RedfishError: { next: 'It is tried again.', youCan: ["The BMC's own words are in the message."] },
  DifferentServer: {
    next: 'It is looked at again; nothing is sent to the other server.',
    youCan: [
      'Find out why another server answers at its address: a DHCP lease, a swapped sled, a replaced board.',
      'If it is the server of this host, accept it with the command in the message.',
    ],
  },
  DuplicateServer: {
    next: 'It is enrolled when the other host is gone.',
    youCan: ['Delete the host that is too many, or correct its address: {edit}'],
  },
  APIServerRefused: {
    next: 'It is tried again at growing intervals, at most 10 minutes.',
    youCan: [
      'Look at the roles of Beskar7 and at admission policies; the API server says in the message what it refused.',
    ],
  },
  NoWorker: {
    next: 'It goes on as soon as a worker of its pool is there.',
    youCan: ['Start a bmc-worker with the worker pool of the message, or correct redfishConnection.workerPool: {edit}'],
  },
};
