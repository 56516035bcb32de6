/** The names of steps, for the reader, by the activity that does the work; `hidden`: only book-keeping. */
export const STEP_NAMES: Readonly<Record<string, string>> = {
  claimHost: 'Claim a host',
  prepareBoot: 'Switch the server off',
  acquirePowerOnPermit: 'Wait for its turn to power on',
  bootInspector: 'Boot from the network',
  takeReport: 'Wait for the report',
  openProvisioning: 'Open the bootstrap data',
  settleHandover: 'Wait for the hand-over',
  markReleasing: 'Release the host',
  releaseHost: 'Release the host',
  failMachine: 'Write the outcome',
  checkDeprovision: 'Look whether the machine may go',
  endProvisioning: 'End the open provisioning',
  findClaims: 'Find its hosts',
  findReleasing: 'Find the claim',
  lookForConsumer: 'Look for its machine',
  requestRelease: 'Have the host released',
  removeMachineFinalizer: 'Let the machine go',
  enrollHost: 'Connect to the BMC',
  retireHost: 'Switch the server off',
  removeHostFinalizer: 'Let the host go',
};

/** Activities that only write what others did, or look: they make no step of their own. */
export const HIDDEN: ReadonlySet<string> = new Set(['reportProgress', 'clearNetworkBoot']);

/** Step of a run that found no host and waits for `hostAvailable`. */
export const WAIT_FOR_HOST = 'Wait for a free host';
/** Step of a run whose workflow task no worker has picked up. */
export const WAIT_FOR_WORKER = 'Wait for a worker';
/** Step in which the workflow compares the report with the requirements; no activity. */
export const CHECK_HARDWARE = 'Check the hardware';

/** The three of a boot, in their order: after a failure of one the workflow starts again with the first. */
export const BOOT_ORDER: readonly string[] = ['prepareBoot', 'acquirePowerOnPermit', 'bootInspector'];
