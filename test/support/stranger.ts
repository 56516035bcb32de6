import { randomBytes } from 'node:crypto';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { msToTs } from '@temporalio/common/lib/time.js';
import { INSTALLATION_HEADER } from '../../contracts/names.ts';
import type { World } from './world.ts';

/** The installation of a run, as whoever reads the namespace finds it in any history. */
async function installationOf(world: World, run: string): Promise<Payload> {
  const { events } = await world.temporal.workflow.getHandle(run).fetchHistory();
  const [input] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const value = JSON.parse(Buffer.from(input?.data ?? []).toString('utf8')) as { installation: string };
  return defaultPayloadConverter.toPayload(value.installation);
}

/**
 * Has an activity of Beskar7's workers done by a run of one's own, with raw calls, in the name of the installation that
 * `of.run` is of; gives the type of its failure.
 */
export async function scheduleAsStranger(
  world: World,
  of: { readonly run: string; readonly activity: string; readonly taskQueue: string },
  input: unknown,
): Promise<string> {
  const { activity, taskQueue } = of;
  const { workflowService, connection } = world.temporal;
  const [namespace, workflowId] = [world.temporalNamespace, `stranger-${randomBytes(4).toString('hex')}`];
  const queue = { name: workflowId };
  const service = <T>(ask: () => Promise<T>) => connection.withDeadline(Date.now() + 60_000, ask);
  const poll = () => service(() => workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: queue }));
  await workflowService.startWorkflowExecution({
    namespace,
    workflowId,
    workflowType: { name: 'stranger' },
    taskQueue: queue,
    requestId: workflowId,
  });
  const { taskToken } = await poll();
  await workflowService.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    commands: [
      {
        commandType: 1,
        scheduleActivityTaskCommandAttributes: {
          activityId: '1',
          activityType: { name: activity },
          taskQueue: { name: taskQueue },
          input: { payloads: [defaultPayloadConverter.toPayload(input)] },
          header: { fields: { [INSTALLATION_HEADER]: await installationOf(world, of.run) } },
          scheduleToCloseTimeout: msToTs('50 s'),
          startToCloseTimeout: msToTs('40 s'),
          heartbeatTimeout: msToTs('20 s'),
        },
      },
    ],
  });
  const { history } = await poll();
  await world.temporal.workflow.getHandle(workflowId).terminate();
  const ended = history?.events?.find((event) => event.activityTaskFailedEventAttributes);
  return ended?.activityTaskFailedEventAttributes?.failure?.applicationFailureInfo?.type ?? 'it did not fail';
}
