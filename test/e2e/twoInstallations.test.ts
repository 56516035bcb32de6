import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../workers/nodeFlags.ts';
import { OWNER_KEY } from '../../workers/installation.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-two-installations');
beforeAll(() => world.start({ hosts: 1, profile: 'generic' }));
afterAll(() => world.stop());

const ROOT = path.join(import.meta.dirname, '..', '..');

/** Another process on the Temporal namespace of the world; it is killed when it runs on. */
async function begin(...flags: string[]) {
  const ports = await freePorts(4);
  const [callback = 0, boot = 0, metrics = 0, health = 0] = ports;
  const words = [
    ...NODE_FLAGS,
    path.join(ROOT, 'workers', 'main.ts'),
    '--roles=controllers,worker,bmc-worker,api',
    `--kubeconfig=${world.plane.serviceAccountKubeconfig}`,
    `--temporal-address=${world.plane.temporalAddress}`,
    `--temporal-namespace=${world.temporalNamespace}`,
    `--callback-bind-address=127.0.0.1:${callback}`,
    `--boot-bind-address=127.0.0.1:${boot}`,
    `--metrics-bind-address=127.0.0.1:${metrics}`,
    `--health-bind-address=127.0.0.1:${health}`,
    ...flags,
  ];
  const env = { ...process.env, ...NODE_ENVIRONMENT, BESKAR7_WORKFLOW_BUNDLE: world.plane.workflowBundle };
  return runCommand(process.execPath, words, { env, timeoutMs: 60_000 });
}

const owner = async () => {
  const { namespaceInfo } = await world.temporal.workflowService.describeNamespace({
    namespace: world.temporalNamespace,
  });
  return namespaceInfo?.data?.[OWNER_KEY];
};

async function comes(what: string, isThere: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 30_000;
  while (!(await isThere())) {
    if (Date.now() > until) throw new Error(`${what} did not come in 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test.each([
  ['another namespace of the cluster', ['--namespace=elsewhere']],
  ['all of its namespaces', []],
  ['a part of the same namespace', [`--namespace=${world.namespace}`, '--watch-filter=blue']],
  ['another cluster', [`--namespace=${world.namespace}`, '--cluster-id=east']],
])('%s: refuses to start in one line that says what to do', async (_what, flags) => {
  const before = await owner();
  const { code, output } = await begin(...flags);
  const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  expect({ code, lines }).toEqual({
    code: 2,
    lines: [
      expect.stringContaining(`the Temporal namespace ${world.temporalNamespace} belongs to another installation`),
    ],
  });
  expect(lines[0]).toContain(`temporal operator namespace update -n ${world.temporalNamespace} --data ${OWNER_KEY}=`);
  expect(await owner()).toBe(before);
});

test('the first one works on', async () => {
  await world.addMachine('m-1');
  await world.machineIs('m-1', 'Provisioned');
});

test('the line hands the namespace over: the first one ends', async () => {
  await world.temporalCli('operator', 'namespace', 'update', '--data', `${OWNER_KEY}=east::`);
  expect(await owner()).toBe('east::');
  await comes('the end of the first process', () =>
    readFileSync(world.beskar7.logFile, 'utf8').includes('"msg":"stopped"'),
  );
  await world.temporalCli('operator', 'namespace', 'update', '--data', `${OWNER_KEY}=`);
  await world.startBeskar7();
  await comes('an owner', async () => (await owner())?.includes(`:${world.namespace}:`) === true);
});
