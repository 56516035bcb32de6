import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { EVENTS, HOSTS, MACHINES } from '../../kube/resource.ts';
import { call } from '../support/callback.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(90_000);

const world = new World('e2e-secrets');
const DECOY = randomBytes(24).toString('base64url');

beforeAll(() => world.start({ hosts: 1, profile: 'generic' }));
afterAll(() => world.stop());

test('what a provisioning makes is known to the search: token, nonce, BMC password', async () => {
  await world.addMachine('known');
  await world.machineIs('known', 'Provisioned');
  const kinds = [...world.witness.secrets.values()].map((kind) => kind.split(' ')[0]);
  expect(new Set(kinds)).toEqual(new Set(['token', 'nonce', 'password']));
  expect(world.witness.secrets.has(world.password)).toBe(true);
});

test('a reason with a secret in it, and one that is refused, are not told on', async () => {
  expect(await call(world, 'provision-failed', 'host-1', DECOY, { reason: DECOY })).toBe(401);
  expect(told(await world.machine('known'))).not.toContain(DECOY);
});

test('the search finds a secret in each place where one was put, and names the place', async () => {
  const { witness, namespace, admin, temporal } = world;
  witness.secrets.set(DECOY, 'the decoy');
  expect(await world.leaks()).toEqual([]);

  appendFileSync(world.beskar7.logFile, `{"headers":{"authorization":"Bearer ${DECOY}"}}\n`);
  await admin.mergePatch(MACHINES, namespace, 'known', { status: { failureDomain: DECOY } }, { subresource: 'status' });
  await admin.mergePatch(HOSTS, namespace, 'host-1', {
    metadata: { annotations: { note: DECOY, encoded: Buffer.from(`admin:${DECOY}`).toString('base64') } },
  });
  await admin.create(EVENTS, {
    metadata: { name: 'decoy', namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name: 'x', uid: '' },
    type: 'Normal',
    reason: 'Decoy',
    message: DECOY,
    count: 1,
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    source: { component: 'test' },
    reportingComponent: 'test',
    reportingInstance: 'test',
  });
  const run = await temporal.workflow.start('nobodyRunsThis', {
    taskQueue: 'decoy',
    workflowId: 'decoy/secrets',
    args: [{ password: DECOY }],
    workflowExecutionTimeout: 60_000,
    typedSearchAttributes: [{ key: { name: 'Beskar7Namespace', type: 'KEYWORD' }, value: namespace }],
  });
  await world.untilHost('host-1', 'annotated', ({ metadata }) => metadata.annotations?.note !== undefined);
  witness.note('the metrics', `beskar7_up{x="${DECOY}"} 1`);

  let leaks: string[] = [];
  // The witness and Temporal's index see it a moment later.
  for (const until = Date.now() + 20_000; leaks.length < 3 && Date.now() < until;) leaks = await world.leaks();
  await run.terminate('the decoy has been found');
  expect(leaks.toSorted()).toEqual([
    'the decoy in the history of decoy/secrets',
    'the decoy in the log beskar7-e2e-secrets.log',
    expect.stringMatching(/^the decoy in what was seen in e2e-secrets-/),
  ]);
  expect(JSON.stringify(leaks)).not.toContain(DECOY);
  // What was seen is each of these with it.
  expect(witness.seenWith(DECOY)).toEqual(new Set(['beskar7machines', 'events', 'physicalhosts', 'the metrics']));
  witness.secrets.delete(DECOY);
});
