import { spawn } from 'node:child_process';
import { writeFile, mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection, WorkflowClient } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { priorityOf } from '../../contracts/priority.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';

/*
 * `node bench/fairness/main.ts`: how long the release of one tenant waits for a slot while the BMCs of another one
 * hang, on a real Temporal server. Printed for a queue in order of arrival, and for priority and fairness as Beskar7
 * sets them.
 */

/** Slots of the worker, and for how long a hanging BMC holds one. The product has 500 and up to two minutes. */
const SLOTS = 10;
const HANG_MS = 1_000;
const HOSTS = 100;

const WORKFLOWS = `
import { proxyActivities } from '@temporalio/workflow';
const { hang, call } = proxyActivities({ startToCloseTimeout: '1 minute', taskQueue: 'bmc', retry: { maximumAttempts: 1 } });
export const enroll = () => hang();
export const release = () => call(Date.now());
`;

async function measure(address: string, workflowsPath: string, isPrioritised: boolean): Promise<number> {
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const client = new WorkflowClient({ connection });
  const [taskQueue, tag] = ['runs', isPrioritised ? 'fair' : 'fifo'];
  const activities = { hang: () => delay(HANG_MS), call: (since: number) => Date.now() - since };
  const runs = await Worker.create({ connection: native, taskQueue, workflowsPath });
  const running = [runs.run()];
  const options = (kind: 'enroll' | 'release', namespace: string) =>
    isPrioritised ? { priority: priorityOf(kind, namespace) } : {};
  const hanging = await Promise.all(
    Array.from({ length: HOSTS }, (_, at) =>
      client.start('enroll', { taskQueue, workflowId: `${tag}-enroll-${at}`, ...options('enroll', 'tenant') }),
    ),
  );
  await delay(2_000);
  const bmc = await Worker.create({
    connection: native,
    taskQueue: 'bmc',
    activities,
    maxConcurrentActivityTaskExecutions: SLOTS,
  });
  running.push(bmc.run());
  await delay(HANG_MS);
  const waited: number[] = [];
  for (let at = 0; at < 3; at += 1)
    waited.push(
      await client.execute('release', {
        taskQueue,
        workflowId: `${tag}-release-${at}`,
        ...options('release', 'other'),
      }),
    );
  await Promise.all(hanging.map((handle) => handle.result()));
  for (const worker of [runs, bmc]) worker.shutdown();
  await Promise.all(running);
  await connection.close();
  await native.close();
  return waited[0] ?? NaN;
}

const port = 20_000 + (process.pid % 10_000);
const { temporal } = await ensureTools(['temporal'], () => undefined);
const server = spawn(
  temporal,
  [
    ...['server', 'start-dev', '--ip=127.0.0.1', `--port=${port}`, '--headless', '--log-level=error'],
    ...['--dynamic-config-value=matching.useNewMatcher=true', '--dynamic-config-value=matching.enableFairness=true'],
  ],
  { stdio: 'ignore' },
);
try {
  const folder = await mkdtemp(path.join(import.meta.dirname, '..', '..', 'node_modules', '.fairness-'));
  const workflowsPath = path.join(folder, 'workflows.js');
  await writeFile(workflowsPath, WORKFLOWS);
  const address = `127.0.0.1:${port}`;
  for (let tries = 0; tries < 60; tries += 1) {
    const isUp = await Connection.connect({ address }).then(
      (connection) => connection.close().then(() => true),
      () => false,
    );
    if (isUp) break;
    await delay(500);
  }
  for (const isPrioritised of [false, true]) {
    const ms = await measure(address, workflowsPath, isPrioritised);
    const how = isPrioritised ? 'priority and fairness' : 'in order of arrival';
    process.stdout.write(`${how}: the release of another tenant waited ${ms} ms for a slot\n`);
  }
} finally {
  server.kill();
}
