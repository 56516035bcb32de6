import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { AwaitRunActivities, BmcActivities, KubernetesActivities, PermitActivities } from '../activities/index.ts';
import { AWAIT_RUN_TASK_QUEUE, bmcTaskQueue, POWER_ON_TASK_QUEUE } from '../contracts/names.ts';
import {
  BMC_TIMEOUT_MS,
  KUBE_ACTIVITY_MS,
  MONITOR_TIMEOUT_MS,
  NO_WORKER_MS,
  WORKER_LOST_MS,
} from '../model/deadlines.ts';

/** Short calls to Kubernetes. They are repeated for as long as the API server is away. */
export const kubernetes = proxyActivities<KubernetesActivities>({
  startToCloseTimeout: KUBE_ACTIVITY_MS,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/** Waits for the end of a run, on a queue of its own: that run needs the slots of `beskar7`. */
export const awaitRun = proxyActivities<AwaitRunActivities>({
  taskQueue: AWAIT_RUN_TASK_QUEUE,
  startToCloseTimeout: '7 days',
  heartbeatTimeout: WORKER_LOST_MS,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

const BMC_OPTIONS = {
  startToCloseTimeout: BMC_TIMEOUT_MS,
  heartbeatTimeout: WORKER_LOST_MS,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { maximumAttempts: 1 },
} as const;

/**
 * Calls to a BMC. One try each: the workflow repeats them itself, because it has to know whether the last one confirmed
 * its end (rule 4) and tells the operator why and when it tries again. None waits without a word: a call that nobody
 * takes comes back after a minute as `noWorker`, and the workflow has an activity of the queue `beskar7` tell it, and
 * look for the force-release annotation.
 */
export function bmcActivities(pool: string | undefined, startToCloseTimeout: number = BMC_OPTIONS.startToCloseTimeout) {
  return proxyActivities<BmcActivities>({
    ...BMC_OPTIONS,
    startToCloseTimeout,
    taskQueue: bmcTaskQueue(pool),
    scheduleToStartTimeout: NO_WORKER_MS,
  });
}

/** The watch over a shard of hosts: it lasts long, and moves to another worker 20 s after its own has fallen silent. */
export function monitoring(pool: string | undefined) {
  return proxyActivities<BmcActivities>({
    taskQueue: bmcTaskQueue(pool),
    startToCloseTimeout: MONITOR_TIMEOUT_MS,
    heartbeatTimeout: WORKER_LOST_MS,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
  });
}

/** The permit of rule 5. It may wait long in its queue: that is the power budget at work. */
export const permits = proxyActivities<PermitActivities>({
  taskQueue: POWER_ON_TASK_QUEUE,
  startToCloseTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
});
