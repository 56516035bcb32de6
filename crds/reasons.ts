/**
 * Why a machine is as it is: the reason of its conditions, and how its provisioning ended. A contract with programs.
 */
export const MACHINE_REASONS = {
  // On the way
  claimingHost: 'ClaimingHost',
  noMatchingHost: 'NoMatchingHost',
  /** A policy of the API server, or a missing permission, keeps hosts from being claimed. */
  claimRefused: 'ClaimRefused',
  waitingForInspection: 'WaitingForInspection',
  validatingHardware: 'ValidatingHardware',
  /**
   * Validated, and owned by a Machine of Cluster API whose bootstrap data is not there: not handed over before it is.
   */
  waitingForBootstrapData: 'WaitingForBootstrapData',
  waitingForHandover: 'WaitingForHandover',
  retryingOnAnotherHost: 'RetryingOnAnotherHost',
  releasing: 'ReleasingHost',
  /** It has a providerID whose host is not there, or is another machine's. */
  hostMissing: 'HostMissing',
  // Good
  inspectionComplete: 'InspectionComplete',
  // Failed
  bootFailed: 'BootFailed',
  /**
   * Another server answered behind the BMC address of its host, or another host stands for that server: nothing was
   * sent.
   */
  differentServer: 'DifferentServer',
  inspectionTimeout: 'InspectionTimeout',
  hardwareRequirementsNotMet: 'HardwareRequirementsNotMet',
  provisionFailed: 'ProvisionFailed',
  provisioningTimeout: 'ProvisioningTimeout',
  claimLost: 'ClaimLost',
  cancelled: 'Cancelled',
  invalidBootConfiguration: 'InvalidBootConfiguration',
  unexpectedError: 'UnexpectedError',
} as const;
/** One of `MACHINE_REASONS`. */
export type MachineReason = (typeof MACHINE_REASONS)[keyof typeof MACHINE_REASONS];

/** Why a host is as it is: the reason of its conditions. A contract with programs. */
export const HOST_REASONS = {
  enrolled: 'Enrolled',
  claimed: 'Claimed',
  inspecting: 'Inspecting',
  validated: 'Validated',
  released: 'Released',
  forceReleased: 'ForceReleased',
  releasePending: 'ReleasePending',
  // RedfishReachable
  reachable: 'Reachable',
  unreachable: 'Unreachable',
  unauthorized: 'Unauthorized',
  passwordChangeRequired: 'PasswordChangeRequired',
  secretMissing: 'SecretMissing',
  secretInvalid: 'SecretInvalid',
  systemAmbiguous: 'SystemAmbiguous',
  systemNotFound: 'SystemNotFound',
  tls: 'CertificateNotTrusted',
  /** Its address is not in a network where BMCs may be (--bmc-networks): nothing was sent. */
  addressRefused: 'AddressNotAllowed',
  /** Its address starts with http://, and --require-bmc-https is set: nothing was sent. */
  plainHttp: 'PlainHTTPForbidden',
  redfishError: 'RedfishError',
  // Ready, DifferentServer
  differentServer: 'DifferentServer',
  // Ready, DuplicateServer
  duplicateServer: 'DuplicateServer',
  // Ready
  noWorker: 'NoWorker',
  apiServerRefused: 'APIServerRefused',
} as const;
/** One of `HOST_REASONS`. */
export type HostReason = (typeof HOST_REASONS)[keyof typeof HOST_REASONS];

/** Reasons of the condition `DuplicateServer`. */
export const DUPLICATE_REASONS = {
  /** This host stays as it is; another one is not offered. */
  first: 'First',
  /** Another host comes first. */
  notOffered: 'NotOffered',
  /** Both have a consumer: nothing is sent for either. */
  bothClaimed: 'BothClaimed',
} as const;

/** Condition types. */
export const CONDITIONS = {
  ready: 'Ready',
  infrastructureReady: 'InfrastructureReady',
  machineProvisioned: 'MachineProvisioned',
  redfishReachable: 'RedfishReachable',
  deletionBlocked: 'DeletionBlocked',
  consumerMissing: 'ConsumerMissing',
  /** The claim of a host is lost, and Beskar7 cannot know what its server runs: a person has to say. */
  claimLost: 'ClaimLost',
  /** A machine names the host in its providerID, and the host is not claimed by it. */
  namedByMachine: 'NamedByMachine',
  /** Another host has the same MAC address: boot by MAC may serve neither (rule 25). */
  duplicateMAC: 'DuplicateMAC',
  /** Another server answers behind the host's BMC address than the one that was enrolled. */
  differentServer: 'DifferentServer',
  /** Another host stands for the same server. */
  duplicateServer: 'DuplicateServer',
  /** `spec.bootMACAddress` is none of those that the BMC tells. */
  bootMACUnknown: 'BootMACUnknown',
  /** The inspector said after the hand-over that it had failed (rule 22). */
  failureReported: 'FailureReported',
  /** The API server refuses for good what a step has to write, on this object or on the one that belongs to it. */
  writeRefused: 'WriteRefused',
  /** A free host whose server was confirmed off is on, and no machine has claimed it. */
  unexpectedlyOn: 'UnexpectedlyOn',
  /** The server of a handed-over host is off. */
  unexpectedlyOff: 'UnexpectedlyOff',
  /** The deletion of a machine takes too long. */
  deletionHangs: 'DeletionHangs',
  /** Its BMC keeps a network boot that could not be taken back. */
  bootOverrideLeft: 'BootOverrideLeft',
  /** Its BMC does not list the network boot that spec.networkBoot asks for. */
  networkBootNotOffered: 'NetworkBootNotOffered',
  /** Credentials and commands cross the network to its BMC in clear text: the address starts with http://. */
  plainHTTP: 'PlainHTTP',
  /** Its BMC did not give (all of) the network interfaces at enrolment. */
  networkInterfacesUnread: 'NetworkInterfacesUnread',
  paused: 'Paused',
} as const;

/** Reasons of `NamedByMachine`. */
export const NAMED_REASONS = {
  /** Beskar7 has written the providerID: the server may run that machine. */
  notOffered: 'NotOffered',
  /** Nothing shows that Beskar7 has provisioned that machine there: it counts for nothing. */
  unproven: 'Unproven',
} as const;

/** Conditions of a host that are True when something about it needs a person, the most urgent first. */
export const RAISED_CONDITIONS = [
  CONDITIONS.consumerMissing,
  CONDITIONS.claimLost,
  CONDITIONS.deletionBlocked,
  CONDITIONS.writeRefused,
  CONDITIONS.unexpectedlyOff,
  CONDITIONS.differentServer,
  CONDITIONS.duplicateServer,
  CONDITIONS.unexpectedlyOn,
  CONDITIONS.namedByMachine,
  CONDITIONS.duplicateMAC,
  CONDITIONS.networkBootNotOffered,
  CONDITIONS.networkInterfacesUnread,
  CONDITIONS.bootOverrideLeft,
  CONDITIONS.bootMACUnknown,
  CONDITIONS.failureReported,
] as const;

/** Why a provisioning is not started yet: the reason of the machine's conditions, a contract with programs. */
export type WaitReason =
  | 'WaitingForOwner'
  | 'WaitingForClusterInfrastructure'
  | 'WaitingForBootstrapData'
  /** Written by the watcher when Temporal has refused the start for a while. */
  | 'WaitingForEarlierRun';
