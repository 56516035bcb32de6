import { Context } from '@temporalio/activity';
import { withBmcRequests } from './bmc/bmcRequests.ts';
import { bootInspector, prepareBoot, type BootInput } from './provision/bootInspector.ts';
import { claimHost, type ClaimHostInput } from './claim/claimHost.ts';
import type { Dependencies } from './dependencies.ts';
import {
  checkDeprovision,
  findClaims,
  findReleasing,
  removeMachineFinalizer,
  requestRelease,
  type RequestReleaseInput,
} from './release/deprovision.ts';
import { endProvisioning } from './release/endProvisioning.ts';
import { failMachine, reportProgress, type FailMachineInput, type ReportProgressInput } from './provision/endRun.ts';
import { EnrollSlots } from './enroll/enrollSlots.ts';
import { enrollHost, enrollHostUnserved, type EnrollInput } from './enroll/enrollHost.ts';
import { openProvisioning, settleHandover, type HandOverInput, type SettleInput } from './provision/handOver.ts';
import { takeReport, type TakeReportInput } from './provision/inspection.ts';
import { clearNetworkBoot, type ClearNetworkBootInput } from './bmc/leftOverride.ts';
import { markReleasing, type MarkReleasingInput } from './release/markReleasing.ts';
import { releaseHost, releaseHostUnserved } from './release/releaseHost.ts';
import type { ReleaseHostInput } from './release/releaseInput.ts';
import {
  removeHostFinalizer,
  retireHost,
  retireHostUnserved,
  type RemoveHostFinalizerInput,
  type RetireInput,
} from './release/retireHost.ts';
import { reportingRefusals } from './store/refusedWrites.ts';
import { withHeartbeat } from './activityScope.ts';
import { FailedPolls } from './monitor/failedPolls.ts';
import { lookForConsumer, type LookForConsumerInput } from './release/orphan.ts';
import { monitorShard } from './monitor/monitorShard.ts';
import type { HostInput, MonitorInput, ObjectRef, ReleaseInput } from '../contracts/names.ts';
import { SLOW_HEARTBEAT_MS } from '../model/deadlines.ts';

/** For the queue `await-run`. */
export function createAwaitRunActivities(deps: Dependencies) {
  return reportingRefusals(deps, {
    endProvisioning: (ref: ObjectRef) => withHeartbeat((signal) => endProvisioning(deps, ref, signal)),
  });
}

/** Activities that talk to Kubernetes (and Temporal), for the queue `beskar7`. */
export function createKubernetesActivities(deps: Dependencies) {
  return reportingRefusals(deps, {
    claimHost: (input: ClaimHostInput) => claimHost(deps, input),
    takeReport: (input: TakeReportInput) => takeReport(deps, input),
    openProvisioning: (input: HandOverInput) => openProvisioning(deps, input),
    settleHandover: (input: SettleInput) => settleHandover(deps, input),
    failMachine: (input: FailMachineInput) => failMachine(deps, input),
    reportProgress: (input: ReportProgressInput) => reportProgress(deps, input),
    markReleasing: (input: MarkReleasingInput) => markReleasing(deps, input),
    checkDeprovision: (ref: ObjectRef) => checkDeprovision(deps, ref),
    findReleasing: (input: ReleaseInput) => findReleasing(deps, input),
    requestRelease: (input: RequestReleaseInput) => requestRelease(deps, input),
    findClaims: (ref: ObjectRef) => findClaims(deps, ref),
    lookForConsumer: (input: LookForConsumerInput) => lookForConsumer(deps, input),
    releaseHostUnserved: (input: ReleaseHostInput) => releaseHostUnserved(deps, input),
    retireHostUnserved: (input: RetireInput) => retireHostUnserved(deps, input),
    enrollHostUnserved: (host: HostInput) => enrollHostUnserved(deps, host),
    removeHostFinalizer: (input: RemoveHostFinalizerInput) => removeHostFinalizer(deps, input),
    removeMachineFinalizer: (ref: ObjectRef) => removeMachineFinalizer(deps, ref),
  });
}

/** An activity at a BMC tells what it asked there. */
function atBmc<T extends object | void>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withBmcRequests(() => withHeartbeat(body));
}

/**
 * Activities that talk to a BMC, for the queues `bmc` and `bmc.<pool>`. `slots`: how many of them the worker runs at
 * once.
 */
export function createBmcActivities(deps: Dependencies, slots = 500) {
  const failedPolls = new FailedPolls();
  const enrollSlots = new EnrollSlots(slots);
  return reportingRefusals(deps, {
    enrollHost: (input: EnrollInput) =>
      enrollSlots.use(input.host.namespace, () => atBmc((signal) => enrollHost(deps, input, signal))),
    prepareBoot: (input: BootInput) => atBmc((signal) => prepareBoot(deps, input, signal)),
    bootInspector: (input: BootInput) => atBmc((signal) => bootInspector(deps, input, signal)),
    clearNetworkBoot: (input: ClearNetworkBootInput) => atBmc((signal) => clearNetworkBoot(deps, input, signal)),
    releaseHost: (input: ReleaseHostInput) => atBmc((signal) => releaseHost(deps, input, signal)),
    retireHost: (input: RetireInput) =>
      atBmc((signal) => retireHost(deps, input, signal, Context.current().info.taskQueue)),
    monitorShard: (input: MonitorInput) =>
      withHeartbeat((signal) => monitorShard(deps, failedPolls, input, signal), SLOW_HEARTBEAT_MS),
  });
}

/** The permit of rule 5, alone on its queue: the queue's rate limit is the power budget. */
export function createPermitActivities() {
  return {
    /** Returns when power may be switched on for one more server. */
    acquirePowerOnPermit: () => Promise.resolve(),
  };
}

/** Activities of the queue `await-run`, as workflows import their types. */
export type AwaitRunActivities = ReturnType<typeof createAwaitRunActivities>;
/** Activities of the queue `beskar7`, as workflows import their types. */
export type KubernetesActivities = ReturnType<typeof createKubernetesActivities>;
/** Activities of the queues `bmc` and `bmc.<pool>`, as workflows import their types. */
export type BmcActivities = ReturnType<typeof createBmcActivities>;
/** Activities of the queue of power-on permits, as workflows import their types. */
export type PermitActivities = ReturnType<typeof createPermitActivities>;
