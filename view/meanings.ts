import type { MachinePhase } from '../crds/beskar7Machine.ts';
import type { ClaimStage } from '../model/claim.ts';
import type { HostState } from '../crds/physicalHost.ts';
import type { HostReason, MachineReason, WaitReason } from '../crds/reasons.ts';

/** What follows from a reason, and what a person can do. `{retry}` and so on are replaced by commands to copy. */
export interface Meaning {
  readonly next: string;
  readonly youCan?: readonly string[];
}

const CONTINUES = 'It continues by itself.';
const NOTHING_BY_ITSELF = 'Nothing happens by itself: the server was powered off, and its host is free.';
const RETRY = 'Try again: {retry}';
/** Advice for what has no better one; `{trace}` becomes the command. */
export const TRACE = 'See each step: {trace}';
const CONSOLE = "Look at the server's console: DHCP, iPXE, inspection image (docs/boot.md).";

/** What a phase means; follows `... is Inspecting: `. */
export const PHASE_MEANINGS: Readonly<Record<MachinePhase, string>> = {
  Pending: 'its provisioning has not started',
  Claiming: 'it claims a host, whose server is powered off and then on, to boot from the network',
  Inspecting: 'its server is on and boots the inspection image, which will report the hardware',
  Validating: 'the report has arrived and is compared with hardwareRequirements',
  Provisioning: 'the hardware meets the requirements; the inspection image fetches the final OS and hands over to it',
  Provisioned: 'its server runs the final OS',
  Failed: 'its last provisioning ended without success',
};

/** What a state of a host means. */
export const STATE_MEANINGS: Readonly<Record<HostState, string>> = {
  Enrolling: 'first contact with its BMC',
  Available: 'it is free to be claimed',
  InUse: 'a machine has claimed it, and its server is being prepared to boot',
  Inspecting: 'its server boots the inspection image for the machine that has claimed it',
  Ready: 'in use by its machine',
  Error: 'a problem has to be fixed before it is offered to machines',
};

/** What the stage of a claim means; follows `..., which `. */
export const STAGE_MEANINGS: Readonly<Record<ClaimStage, string>> = {
  Claimed: 'has claimed it and has not powered it on yet',
  Armed: 'has armed it: its server may fetch its boot script and report',
  HandedOver: 'runs on it: nothing touches the server until that machine is deleted',
  Releasing: 'releases it: power-off has to be confirmed first',
};

/** By the reason of a machine's condition Ready. */
export const MACHINE_MEANINGS: Readonly<Record<MachineReason | WaitReason | 'Paused', Meaning>> = {
  WaitingForOwner: {
    next: 'It starts when Cluster API has created its owner Machine.',
    youCan: ['Remove the label cluster.x-k8s.io/cluster-name from a standalone machine.'],
  },
  WaitingForClusterInfrastructure: {
    next: "It starts when the cluster's infrastructure is ready.",
    youCan: ['See the cluster: {cluster}'],
  },
  WaitingForBootstrapData: {
    next: 'It starts when the bootstrap provider has written the data.',
    youCan: ['Look at the bootstrap provider; for workers also at the control plane: {owner}'],
  },
  WaitingForEarlierRun: {
    next: 'It starts when the run of an earlier machine of this name has ended, which it does by itself.',
    youCan: ['See what that run waits for: {trace}', 'Cancel it: {cancel}'],
  },
  Paused: {
    next: 'It continues when it, or its Cluster, is no longer paused.',
    youCan: ['Unpause the machine: {unpause}', 'Or its Cluster, where that is paused (spec.paused).'],
  },
  ClaimingHost: { next: CONTINUES, youCan: [TRACE, 'Stop it: {cancel}'] },
  NoMatchingHost: {
    next: 'It starts as soon as a fitting host is free; the oldest machine comes first.',
    youCan: [
      'Add hosts, free some, or change hostSelector or hardwareRequirements.',
      'See the hosts: {hosts}',
      'Stop waiting: {cancel}',
    ],
  },
  ClaimRefused: {
    next: 'It is retried every 30 s.',
    youCan: [
      "See what denies it: the API server's admission policies and webhooks, and the ClusterRole of Beskar7.",
      'Stop trying: {cancel}',
    ],
  },
  WaitingForInspection: {
    next: 'The report ends the wait; without one the inspection times out.',
    youCan: [CONSOLE, TRACE, 'Stop it: {cancel}'],
  },
  ValidatingHardware: { next: CONTINUES },
  WaitingForHandover: {
    next: 'The inspection image fetches the final OS and starts it; then the machine is Provisioned.',
    youCan: ["Look at the server's console. Does it reach targetOSImage?", 'Stop it: {cancel}'],
  },
  RetryingOnAnotherHost: { next: 'Another fitting host is tried.', youCan: [TRACE, 'Stop it: {cancel}'] },
  ReleasingHost: {
    next: 'The host is powered off; the machine waits until power-off is confirmed, without limit.',
    youCan: ['See what blocks it: {explainHost}'],
  },
  HostMissing: {
    next: 'Nothing is claimed and nothing is touched.',
    youCan: ['Restore the host; or delete the machine: {delete}'],
  },
  InspectionComplete: { next: 'Nothing: the machine is provisioned. A change of its spec is ignored from here on.' },
  BootFailed: {
    next: NOTHING_BY_ITSELF,
    youCan: ['Look at the BMC: is it reachable, does it do what it accepts? {explainHost}', RETRY],
  },
  DifferentServer: {
    next: NOTHING_BY_ITSELF,
    youCan: ['The host shows which server answers there, and how to accept it: {explainHost}', RETRY],
  },
  InspectionTimeout: { next: NOTHING_BY_ITSELF, youCan: [CONSOLE, RETRY] },
  HardwareRequirementsNotMet: {
    next: NOTHING_BY_ITSELF,
    youCan: [
      'Lower hardwareRequirements, or choose other hosts by hostSelector, which tries again: {edit}',
      'Its hardware: {report}',
    ],
  },
  ProvisionFailed: { next: NOTHING_BY_ITSELF, youCan: ["Look at the server's console, and at the image.", RETRY] },
  ProvisioningTimeout: {
    next: NOTHING_BY_ITSELF,
    youCan: ['A slow image server? An OS that does not report (readyWhen: OSReported)?', RETRY],
  },
  ClaimLost: { next: 'Nothing happens by itself: the claim was changed or removed.', youCan: [RETRY] },
  Cancelled: { next: NOTHING_BY_ITSELF, youCan: [RETRY, 'Or change the spec, which also tries again: {edit}'] },
  InvalidBootConfiguration: {
    next: NOTHING_BY_ITSELF,
    youCan: ['Correct the field that the message names, which tries again: {edit}'],
  },
  UnexpectedError: {
    next: NOTHING_BY_ITSELF,
    youCan: [TRACE, RETRY, 'Please report it, with the file of {export}'],
  },
};

const WAKE = 'Bring the BMC back; or, if the server is off for certain: {force}';

/** By the reason of a host's condition Ready or RedfishReachable. */
export const HOST_MEANINGS: Readonly<Record<HostReason, Meaning>> = {
  Enrolled: { next: 'A fitting machine may claim it.' },
  Released: { next: 'A fitting machine may claim it.' },
  ForceReleased: { next: 'It is enrolled again, and then offered.' },
  Claimed: { next: 'Its machine continues.', youCan: ['See how: {explainMachine}'] },
  Inspecting: { next: 'Its machine continues when the report has arrived.', youCan: ['See how: {explainMachine}'] },
  Validated: { next: 'Nothing: it is in use by its machine.', youCan: ['See what runs on it: {explainMachine}'] },
  ReleasePending: { next: 'The release is retried without limit until power-off is confirmed.', youCan: [WAKE] },
  Reachable: { next: 'Its BMC is polled again at the usual interval.' },
  Unreachable: {
    next: 'It is retried with backoff, at most 10 minutes.',
    youCan: ['Check address, routing and firewall. Is the BMC up?'],
  },
  Unauthorized: {
    next: 'The same password is not sent again for an hour, since BMCs lock accounts; another one within a minute.',
    youCan: ['Correct user and password in the Secret: {secret}'],
  },
  PasswordChangeRequired: {
    next: 'It is retried once a minute.',
    youCan: ['Set a new password at the BMC, then put it into the Secret: {secret}'],
  },
  SecretMissing: {
    next: 'It is retried when the Secret exists.',
    youCan: ['Create the Secret: {makeSecret}', 'Or correct its name in the host: {edit}'],
  },
  SecretInvalid: {
    next: 'It is retried when the Secret has changed.',
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
    youCan: ['Set its CA in caBundleSecretRef, or as a last resort insecureSkipVerify: {edit}'],
  },
  AddressNotAllowed: {
    next: 'It is retried with backoff, at most 10 minutes; nothing is sent.',
    youCan: ['Correct the address of the BMC: {edit}', 'Or have the network added to --bmc-networks.'],
  },
  PlainHTTPForbidden: {
    next: 'It is retried with backoff, at most 10 minutes; nothing is sent.',
    youCan: ['Set the address of the BMC as https:// and its CA in caBundleSecretRef: {edit}'],
  },
  RedfishError: { next: 'It is tried again.', youCan: ["The BMC's answer is in the message."] },
  DifferentServer: {
    next: 'It is polled again; nothing is sent to the other server.',
    youCan: [
      'Find out why another server answers at its address: a DHCP lease, a swapped sled, a replaced board.',
      'If it is the server of this host, accept it with the command in the message.',
    ],
  },
  DuplicateServer: {
    next: 'It is enrolled when the other host is gone.',
    youCan: ['Delete the duplicate host, or correct its address: {edit}'],
  },
  APIServerRefused: {
    next: 'It is retried with backoff, at most 10 minutes.',
    youCan: ['Check the roles of Beskar7 and the admission policies; the message has the answer of the API server.'],
  },
  NoWorker: {
    next: 'It continues as soon as a worker of its pool is running.',
    youCan: ['Start a bmc-worker with the worker pool of the message, or correct redfishConnection.workerPool: {edit}'],
  },
};
