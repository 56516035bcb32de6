import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ANNOTATION_CLAIM } from '../../../crds/names.ts';
import { FailureBoard } from '../../../web/server/failures.ts';
import type { HostDetail, MachineDetail } from '../../../web/shared/api.ts';
import { claimAnnotation, claimText } from '../../support/claims.ts';
import type { WebClient } from '../../support/webClient.ts';
import { FakeRuns, host, machine, WebScene } from './scene.ts';

let scene: WebScene;
let client: WebClient;
beforeEach(async () => {
  scene = new WebScene();
  client = await scene.start({ auth: 'none', temporalUiUrl: 'http://ui.example' });
  await client.session();
});
afterEach(() => scene.stop());

const OF = { id: 'c-1', deadline: '2026-11-23T12:10:00Z', since: '2026-11-23T12:00:00Z' };
const releasing = claimText('Releasing', OF);

test('a host whose BMC does not answer: why, since how many attempts, and when the next one is due', async () => {
  const reachable = {
    type: 'RedfishReachable',
    status: 'False' as const,
    reason: 'Unauthorized',
    message: 'the BMC refused the credentials (401)',
    lastTransitionTime: '2026-11-23T12:00:00Z',
  };
  const enrollment = { connectionHash: 'x', attempt: 4, nextAttemptAt: '2026-11-23T12:05:00Z' };
  scene.hosts.put(host('rack1-01', { status: { state: 'Error', conditions: [reachable], enrollment } }));
  const { body } = await client.get<HostDetail>('api/hosts/default/rack1-01');
  expect(body.row).toMatchObject({ state: 'Error', bmc: 'Unauthorized' });
  expect(body.bmc).toMatchObject({
    address: 'https://10.0.0.1',
    lastError: reachable.message,
    failedAttempts: 4,
    nextAttemptAt: enrollment.nextAttemptAt,
  });
  expect(body.actions).toMatchObject([
    { kind: 'force-release', refusal: expect.stringContaining('not being released') },
  ]);
  expect(body.commands.map(({ line }) => line)).toContain('kubectl -n default describe physicalhost rack1-01');
});

test('a force release asks for a reason, and writes it with who asked', async () => {
  scene.hosts.put(host('rack1-01', { metadata: { name: 'rack1-01', annotations: { [ANNOTATION_CLAIM]: releasing } } }));
  const path = 'api/hosts/default/rack1-01/force-release';
  expect((await client.post(path)).status).toBe(400);
  expect((await client.post(path, { reason: 'x'.repeat(1001) })).status).toBe(400);
  expect((await client.post(path, { reason: 'unplugged' })).status).toBe(202);
  expect(scene.patches).toMatchObject([
    {
      patch: { metadata: { annotations: { 'beskar7.io/force-release': 'unplugged (the operator at this machine)' } } },
    },
  ]);
});

test('a machine whose status names a host of others shows nothing of that host: only one that leads back to it counts', async () => {
  const [id, digest] = ['c-1', 'sha256:1'];
  const held = {
    metadata: {
      annotations: claimAnnotation('Armed', { ...OF, attempt: 7 }),
    },
    status: { inspection: { claim: id, reportDigest: digest }, inspectionReport: { cpus: [{ cores: 64 }] } },
  };
  const consumerRef = {
    apiVersion: 'v',
    kind: 'Beskar7Machine',
    name: 'theirs',
    namespace: 'victim',
    uid: 'uid-theirs',
  };
  for (const namespace of ['victim', 'default']) {
    const of = { ...consumerRef, namespace };
    const base = host('rack1-01', { namespace });
    scene.hosts.put({
      ...base,
      metadata: { ...base.metadata, ...held.metadata },
      spec: { ...base.spec, consumerRef: of },
      status: held.status as never,
    });
    const mine = machine('worker-1', 'Failed');
    scene.machines.put({
      ...mine,
      spec: { ...mine.spec, hardwareRequirements: { minCPUCores: 1 } },
      status: { phase: 'Failed', hostRef: { namespace, name: 'rack1-01' } },
    });
    const { body } = await client.get<MachineDetail>('api/machines/default/worker-1');
    expect(body.attempt).toBeUndefined();
    expect(body.requirements).toEqual([{ name: 'CPU cores', unit: 'cores', asked: 1 }]);
    if (namespace === 'victim') expect(JSON.stringify(body)).not.toContain('victim');
  }
});

test('no text of a host or machine turns the page around: unseen characters are replaced', async () => {
  const hostile = 'a\u202eb\u009b31m\u200bc';
  scene.hosts.put(
    host('rack1-01', {
      metadata: {
        name: 'rack1-01',
        annotations: { 'beskar7.io/unschedulable': hostile },
        labels: { [hostile]: hostile },
      },
      status: { hardware: { model: hostile, manufacturer: hostile } },
    }),
  );
  const { body } = await client.get<HostDetail>('api/hosts/default/rack1-01');
  expect(JSON.stringify(body)).toContain('a\ufffdb');
  expect(JSON.stringify(body)).not.toMatch(/(?!\n)[\p{C}]/u);
});

test('a machine shows its steps and what it waits for; without Temporal it says so, and shows the rest', async () => {
  scene.machines.put(machine('worker-1', 'Inspecting'));
  const step = {
    id: '1',
    name: 'Claim a host',
    state: 'done' as const,
    startedAt: '2026-11-23T12:00:00Z',
    retries: [],
  };
  const progress = {
    phase: 'Inspecting',
    attempt: 1,
    since: '2026-11-23T12:00:01Z',
    waitingFor: 'the report',
    deadline: '2026-11-23T12:10:00Z',
  };
  scene.runs.last_ = { steps: [step], progress };
  const { body } = await client.get<MachineDetail>('api/machines/default/worker-1');
  expect(body).toMatchObject({
    steps: [step],
    waiting: { text: 'the report', since: progress.since, deadline: progress.deadline },
    workflows: [{ url: 'http://ui.example/namespaces/beskar7/workflows/provision%2Fdefault%2Fworker-1' }, {}],
  });
  scene.runs.error = Object.assign(new Error('14 UNAVAILABLE'), { code: 14 });
  const without = await client.get<MachineDetail>('api/machines/default/worker-1');
  expect(without.body).toMatchObject({ steps: [], stepsMissing: 'Temporal cannot be reached now.' });
  expect((await client.get('api/failures')).status).toBe(503);
});

test('a machine that failed: asked against found, although its host is released', async () => {
  const failed = machine('too-big', 'Failed');
  scene.machines.put({
    ...failed,
    spec: { ...failed.spec, hardwareRequirements: { minCPUCores: 512, minDiskGB: 50 } },
  });
  const hardware = { cpuCores: 16, memoryBytes: 64 * 2 ** 30, largestDiskBytes: 5e11 };
  scene.runs.last_ = { steps: [], hardware };
  const { body } = await client.get<MachineDetail>('api/machines/default/too-big');
  expect(body.requirements).toEqual([
    { name: 'CPU cores', unit: 'cores', asked: 512, found: 16 },
    { name: 'Largest disk', unit: 'GB', asked: 50, found: 500 },
  ]);
});

test('what makes no sense now is refused with why; a cancel tells who asked for it', async () => {
  scene.machines.put(machine('done', 'Provisioned'));
  scene.machines.put(machine('busy', 'Inspecting'));
  for (const action of ['retry', 'cancel'])
    expect((await client.post(`api/machines/default/done/${action}`)).status).toBe(409);
  expect((await client.post('api/machines/default/busy/cancel')).status).toBe(202);
  expect(scene.runs.cancelled).toEqual(['default/busy']);
  expect(scene.events).toEqual(['busy CancelRequested Cancelled from the web page by the operator at this machine']);
  scene.runs.isOpen = false;
  expect((await client.post('api/machines/default/busy/cancel')).status).toBe(409);
});

test('failures by hour and reason, durations by step, asked once for all visitors', async () => {
  const runs = new FakeRuns();
  const now = Date.parse('2026-11-23T12:30:00Z');
  const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
  const run = (name: string, minutes: number) => ({
    machine: { namespace: 'default', name },
    runId: name,
    endedAt: at(minutes),
  });
  runs.failed = [
    { ...run('a', 10), reason: 'BootFailed', message: 'late' },
    { ...run('b', 20), reason: 'BootFailed', message: 'early' },
    { ...run('c', 100), reason: 'InspectionTimeout', message: 'silent' },
  ];
  runs.timed = [10, 20, 30, 40].map((ms) => ({ ...run(`t${ms}`, 5), steps: [{ name: 'Claim a host', ms }] }));
  const board = new FailureBoard(runs, () => now);
  const [all] = await Promise.all([board.of(() => true), board.of(() => true)]);
  expect(runs.asked).toBe(2);
  expect(all.reasons).toEqual([
    {
      reason: 'BootFailed',
      count: 2,
      lastAt: at(10),
      lastMessage: 'late',
      lastMachine: { namespace: 'default', name: 'a' },
    },
    {
      reason: 'InspectionTimeout',
      count: 1,
      lastAt: at(100),
      lastMessage: 'silent',
      lastMachine: { namespace: 'default', name: 'c' },
    },
  ]);
  expect(all.buckets).toHaveLength(24);
  expect(all.buckets.at(-1)).toEqual({ at: '2026-11-23T12:00:00.000Z', byReason: { BootFailed: 2 } });
  expect(all.buckets.at(-3)?.byReason).toEqual({ InspectionTimeout: 1 });
  expect(all.durations).toEqual([{ step: 'Claim a host', count: 4, p50Ms: 20, p95Ms: 40, maxMs: 40 }]);
  expect(all.covers).toBe('the last 24 hours, 7 provisionings');
  expect((await board.of(() => false)).reasons).toEqual([]);
});
