import { generateKeyPairSync } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { freePorts } from '../../tools/controlplane/ports.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import type { MachineDetail } from '../../web/shared/api.ts';
import { AuthorizedTemporal } from '../support/authorizedTemporal.ts';
import { testControlPlane } from '../support/controlPlane.ts';
import { temporalLines, temporalWords } from '../support/temporalPage.ts';
import { WebClient } from '../support/webClient.ts';
import { World } from '../support/world.ts';

/** Where the server is not in the cache yet, Go builds it first. */
jest.setTimeout(900_000);

/**
 * Beskar7 against a production Temporal server with mutual TLS and the authoriser of
 * deploy/temporal/frontend-tls.yaml: what each role needs, and what others may not do.
 */

const NAMESPACE = 'e2e-temporal-authorizer';
/** gRPC's PERMISSION_DENIED. */
const DENIED = 7;
const may = (right: string, namespace = NAMESPACE) => [`${namespace}:${right}`];

let temporal: AuthorizedTemporal;
let world: World;
let page: WebClient;
let pageProcess: Component;

/** As a mounted Secret is renewed: another file takes the name. */
function write(name: string, token: string): string {
  const file = path.join(temporal.folder, name);
  world.witness.secrets.set(token, `a token for Temporal, ${name}`);
  writeFileSync(`${file}.new`, `${token}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return file;
}

beforeAll(async () => {
  temporal = await AuthorizedTemporal.start(testControlPlane());
  world = new World(NAMESPACE, [], temporal.plane);
  const admin = temporal.token({ permissions: may('admin') });
  const env = { ...temporal.environment(admin) };
  world.temporalAccess = { connection: temporal.connection(admin), env };
  // As docs/temporal.md says: who has the right to makes the namespace, so that Beskar7 does not need it.
  const kubeSystem = await world.kubectl('get', 'namespace', 'kube-system', '-o', 'jsonpath={.metadata.uid}');
  const lines = temporalLines('an administrator');
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    const words = temporalWords(line).map((word) => word.replace('<id>', `${kubeSystem.trim()}:${NAMESPACE}:`));
    await world.temporalCli(...words);
  }

  world.env = temporal.environment();
  const first = temporal.token({ permissions: may('write') });
  world.flags.push('--roles=controllers,worker,bmc-worker,api', `--temporal-api-key-file=${write('write', first)}`);
  await world.start({ hosts: 2, profile: 'generic' });
  const [port = 0] = await freePorts(1);
  page = new WebClient(`http://127.0.0.1:${port}/`);
  const reader = write('read', temporal.token({ permissions: may('read') }));
  const flags = ['--roles=web', `--web-bind-address=127.0.0.1:${port}`, '--web-auth=none'];
  pageProcess = await world.startAnother('web', [...flags, `--temporal-api-key-file=${reader}`]);
});
afterAll(async () => {
  await pageProcess?.stop();
  await world.stop();
  await temporal.stop();
});

test('with write in its namespace Beskar7 provisions; with read the page shows how', async () => {
  await world.addMachine('first');
  await world.machineIs('first', 'Provisioned');
  const { steps } = await page.until<MachineDetail>(
    `api/machines/${NAMESPACE}/first`,
    (seen) => seen.steps.length >= 8,
  );
  expect(steps.map(({ name }) => name)).toContain('Boot from the network');
});

describe('to a stranger', () => {
  const run = `provision/${NAMESPACE}/first`;
  const others = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  test.each<[string, () => string | undefined]>([
    ['without a token', () => undefined],
    ['with a token to read', () => temporal.token({ permissions: may('read') })],
    ['with a token of a worker that has no right to write', () => temporal.token({ permissions: may('worker') })],
    ['who is the administrator of another namespace', () => temporal.token({ permissions: may('admin', 'theirs') })],
    ['of a namespace that begins like ours', () => temporal.token({ permissions: may('admin', `${NAMESPACE}-2`) })],
    ['whose token has expired', () => temporal.token({ permissions: may('admin'), seconds: -5 })],
    ['whose token is for another service', () => temporal.token({ permissions: may('admin'), audience: 'elsewhere' })],
    ['whose token is signed by another', () => temporal.token({ permissions: may('admin') }, others)],
  ])('%s, every call that changes something is denied', async (_, token) => {
    const connection = await Connection.connect(temporal.connection(token())).catch((error: unknown) => error);
    // One without any right is not even let in.
    if (!(connection instanceof Connection)) return expect(connection).toMatchObject({ message: expect.anything() });
    try {
      const { workflowService: service, operatorService: operator } = connection;
      const execution = { workflowId: run };
      const workflowExecution = execution;
      const at = { namespace: NAMESPACE };
      const taskQueue = { name: 'beskar7' };
      const calls: Record<string, () => Promise<unknown>> = {
        start: () =>
          service.startWorkflowExecution({
            ...at,
            workflowId: 'provision/x/y',
            workflowType: { name: 'provisionMachine' },
            taskQueue,
            requestId: 'r',
          }),
        signalWithStart: () =>
          service.signalWithStartWorkflowExecution({
            ...at,
            workflowId: run,
            workflowType: { name: 'releaseHost' },
            taskQueue,
            signalName: 'x',
            requestId: 'r',
          }),
        signal: () => service.signalWorkflowExecution({ ...at, workflowExecution, signalName: 'inspectionReported' }),
        cancel: () => service.requestCancelWorkflowExecution({ ...at, workflowExecution }),
        terminate: () => service.terminateWorkflowExecution({ ...at, workflowExecution }),
        reset: () =>
          service.resetWorkflowExecution({ ...at, workflowExecution, workflowTaskFinishEventId: 4 as never }),
        delete: () => service.deleteWorkflowExecution({ ...at, workflowExecution }),
        update: () => service.updateWorkflowExecution({ ...at, workflowExecution }),
        batch: () => service.startBatchOperation({ ...at, jobId: 'j', visibilityQuery: 'WorkflowId != ""' }),
        schedule: () => service.createSchedule({ ...at, scheduleId: 's' }),
        'poll for workflows': () => service.pollWorkflowTaskQueue({ ...at, taskQueue }),
        'poll for activities': () => service.pollActivityTaskQueue({ ...at, taskQueue: { name: 'bmc' } }),
        'answer for an activity': () =>
          service.respondActivityTaskCompletedById({ ...at, workflowId: run, activityId: '1' }),
        'pause an activity': () => service.pauseActivity({ ...at, execution, id: '1' }),
        'change the namespace': () => service.updateNamespace({ namespace: NAMESPACE }),
        'delete the namespace': () => operator.deleteNamespace({ namespace: NAMESPACE }),
        'remove a search attribute': () =>
          operator.removeSearchAttributes({ ...at, searchAttributes: ['Beskar7Host'] }),
      };
      const deadline = Date.now() + 5_000;
      const codes = await Promise.all(
        Object.entries(calls).map(async ([name, call]) => [
          name,
          await connection.withDeadline(deadline, call).then(
            () => 'taken',
            ({ code }: { code?: number }) => code,
          ),
        ]),
      );
      expect(codes).toEqual(Object.keys(calls).map((name) => [name, DENIED]));
    } finally {
      await connection.close();
    }
  });

  test('with a token, but without a certificate, it is not let in', async () => {
    const { tls, ...rest } = temporal.connection(temporal.token({ permissions: may('admin') }));
    const { clientCertPair: _, ...without } = tls;
    const connecting = Connection.connect({ ...rest, tls: without, connectTimeout: '3s' });
    await expect(connecting).rejects.toThrow(/connect|handshake|certificate|deadline/i);
  });

  test('with a token to read, what is there can be read', async () => {
    const connection = await Connection.connect(temporal.connection(temporal.token({ permissions: may('read') })));
    const { executions } = await connection.workflowService.listWorkflowExecutions({ namespace: NAMESPACE });
    expect(executions?.length).toBeGreaterThan(0);
    await connection.close();
  });
});

test('a cancel from a page with a token to read is refused, and the page says why', async () => {
  await world.addMachine('second', { hostSelector: { matchLabels: { none: 'such' } } });
  await world.untilMachine('second', 'waits for a host', ({ status }) => status?.phase !== undefined);
  await page.session();
  const { status, body } = await page.post<{ error?: string }>(`api/machines/${NAMESPACE}/second/cancel`);
  expect({ status, body }).toMatchObject({ status: 502, body: { error: expect.stringMatching(/Temporal.*refus/i) } });
  await world.kubectl('delete', 'beskar7machine', 'second');
});

describe('a token that is replaced in its file', () => {
  const ready = async () => (await fetch(world.readyUrl)).text();
  const untilReady = async (isSo: (text: string) => boolean) => {
    const end = Date.now() + 30_000;
    while (!isSo(await ready()) && Date.now() < end) await delay(100);
    return ready();
  };

  test('by an expired one: /readyz says so', async () => {
    write('write', temporal.token({ permissions: may('write'), seconds: -1 }));
    expect(await untilReady((text) => text.includes('refuses'))).toMatch(
      /Temporal refuses the API key of this process/,
    );
  });

  test('by a renewed one: all work again, without a restart, and what waited is done', async () => {
    const { pid } = world.beskar7;
    write('write', temporal.token({ permissions: may('write') }));
    expect(await untilReady((text) => !/refuses|not running/.test(text))).not.toMatch(/refuses|not running/);
    await world.kubectl('delete', 'beskar7machine', 'first');
    await world.hostIs('host-1', 'Available');
    await world.addMachine('third');
    await world.machineIs('third', 'Provisioned');
    expect(world.beskar7.pid).toBe(pid);
  });
});
