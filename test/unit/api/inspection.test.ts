import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { claimOf } from '../../../model/claim.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { failure } from './fakeKube.ts';
import { REPORT } from './reports.ts';
import { CLAIM, inMs, OLD_TOKEN, Scene, sha256 } from './scene.ts';
import { held } from '../../support/heldLoop.ts';

const PATH = '/api/v1/inspection/default/server-01';
const TEXT = JSON.stringify(REPORT);

let scene: Scene;
beforeEach(async () => {
  scene = await new Scene().start();
});
afterEach(() => scene.stop());

describe('an accepted report', () => {
  test('is stored whole, then told of', async () => {
    const earlier = { claim: CLAIM, deadline: inMs(60_000), poweredOnAt: inMs(-1000), sourceAddress: '10.0.0.9' };
    scene.host({ status: { inspectionPhase: 'Booting', inspection: earlier } });
    const answer = await scene.report();
    expect(answer).toMatchObject({ status: 202, body: '{"status":"accepted"}' });
    const { status } = scene.live();
    const reportDigest = `sha256:${sha256(TEXT)}`;
    expect(status).toMatchObject({ state: 'Inspecting', inspectionPhase: 'Complete' });
    expect(status?.inspection).toEqual({ ...earlier, reportDigest });
    expect(status?.inspectionReport).toEqual({ version: '1', ...REPORT, timestamp: '2025-11-27T10:00:00.000Z' });
    expect(Date.parse(status?.inspectionTimestamp ?? '')).toBeGreaterThan(Date.now() - 10_000);
    await scene.until(() => scene.signals.length === 1);
    // What the run would have read when the signal came.
    expect(scene.signals[0]?.stored?.inspection?.reportDigest).toBe(reportDigest);
    expect(scene.signals[0]).toMatchObject({ kind: 'inspectionReported', claim: CLAIM });
    expect(scene.events).toEqual([
      { object: 'server-01', type: 'Normal', reason: 'InspectionComplete', message: 'Inspection complete' },
    ]);
    expect(scene.kube.calls.map(({ verb }) => verb)).toEqual(['get', 'patch']);
  });

  test('leaves nothing of an earlier claim', async () => {
    const old = {
      timestamp: inMs(-9e6),
      bootMode: 'UEFI' as const,
      cpus: { cores: 1, mhz: 5 },
      system: { model: 'x' },
    };
    scene.host({
      status: {
        inspectionReport: old,
        inspection: { claim: 'earlier', deadline: inMs(-9e6), reportDigest: 'sha256:0' },
      },
    });
    const sent = { cpus: { cores: 4 }, memory: { totalGB: 8 }, disks: [] };
    expect((await scene.report(JSON.stringify(sent))).status).toBe(202);
    expect(scene.live().status?.inspectionReport).toEqual({
      version: '1',
      cpus: { cores: 4 },
      memory: { totalGB: 8, totalBytes: 8 * 2 ** 30 },
      disks: [],
    });
    expect(scene.live().status?.inspection).toEqual({ claim: CLAIM, reportDigest: expect.any(String) });
  });

  describe('of a host that has an earlier one', () => {
    const earlier = { timestamp: inMs(-9e6), cpus: { cores: 1 } };
    const status = { inspectionReport: earlier, inspection: { claim: 'earlier', reportDigest: 'sha256:0' } };

    test('has the earlier one kept first, once', async () => {
      scene.host({ status });
      expect((await scene.report()).status).toBe(202);
      expect((await scene.report()).status).toBe(202);
      expect(scene.kept.map((host) => host.status?.inspectionReport)).toEqual([earlier]);
    });

    test('is stored all the same when that fails, and the log says so', async () => {
      scene.host({ status });
      scene.keepReport = () => Promise.reject(new Error('no room'));
      expect((await scene.report()).status).toBe(202);
      expect(scene.live().status?.inspectionReport).toMatchObject({ cpus: REPORT.cpus });
      expect(scene.logs).toContainEqual(
        expect.objectContaining({ level: 'warn', message: 'the earlier report of a host could not be kept' }),
      );
    });
  });

  test('stands: the same again and another one are 202 and change nothing', async () => {
    await scene.report();
    const stored = scene.live();
    expect((await scene.report()).status).toBe(202);
    expect((await scene.report(TEXT.replace('Dell', 'Hell'))).status).toBe(202);
    expect((await scene.report('no report at all')).status).toBe(202);
    expect(scene.live()).toEqual(stored);
    const outcomes = scene.logs.flatMap(({ fields }) => (typeof fields.outcome === 'string' ? [fields.outcome] : []));
    expect(outcomes.slice(1)).toEqual([
      'the same report again',
      'another report after the accepted one, not stored',
      'another report after the accepted one, not stored',
    ]);
  });

  test('twice at once: one is stored', async () => {
    const answers = await Promise.all([scene.report(), scene.report(TEXT.replace('Dell', 'Hell')), scene.report()]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(scene.events.filter(({ reason }) => reason === 'InspectionComplete')).toHaveLength(1);
  });
});

describe('another writer is faster', () => {
  test('the report is stored on what the other wrote', async () => {
    let writes = 3;
    scene.kube.before = ({ verb }) => {
      if (verb === 'patch' && writes-- > 0) scene.host({ status: { powerState: `On ${writes}` } });
    };
    expect((await scene.report()).status).toBe(202);
    expect(scene.live().status).toMatchObject({ powerState: 'On 0', inspectionPhase: 'Complete' });
  });
  test('for ever: 503, nothing told', async () => {
    scene.kube.before = ({ verb }) => void (verb === 'patch' && scene.host());
    const answer = await scene.report();
    expect(answer).toMatchObject({ status: 503, body: '{"error":"temporarily unavailable"}' });
    expect(answer.headers['retry-after']).toBe('2');
    expect(scene.signals).toEqual([]);
  });
  test.each([
    [
      'the timeout was written',
      () => ({ status: { inspectionPhase: 'Timeout' as const, inspection: { claim: CLAIM } } }),
    ],
    ['the claim is being released', () => ({ claim: { stage: 'Releasing' as const } })],
    ['the host has a new claim', () => ({ claim: { id: 'new', tokenHash: sha256(OLD_TOKEN) } })],
  ])('%s: 401, nothing stored or told', async (_name, host) => {
    scene.kube.before = ({ verb }) => {
      if (verb === 'patch') scene.host(host());
    };
    expect(await scene.report()).toMatchObject({ status: 401, body: '{"error":"unauthorized"}' });
    expect(scene.live().status?.inspectionReport).toBeUndefined();
    expect(scene.signals).toEqual([]);
  });
  test('the host is deleted: 401', async () => {
    scene.kube.before = ({ verb }) => void (verb === 'patch' && scene.kube.remove(HOSTS, 'default', 'server-01'));
    expect((await scene.report()).status).toBe(401);
  });
});

describe('surroundings that fail', () => {
  test.each(['get', 'patch'] as const)('the API server at %s: 503, logged, no stack to the client', async (verb) => {
    scene.kube.before = (call) => {
      if (call.verb === verb) throw failure(verb, HOSTS, 'default', 'server-01', 0, 'Unreachable');
    };
    const answer = await scene.report();
    expect(answer).toMatchObject({ status: 503, body: '{"error":"temporarily unavailable"}' });
    expect(scene.signals).toEqual([]);
    expect(scene.logs.at(-1)).toMatchObject({ level: 'error', fields: { status: 503, host: 'server-01' } });
  });
  test('a bug: the same 503', async () => {
    scene.kube.before = () => {
      throw new TypeError('undefined is not a function at secret');
    };
    const answer = await scene.report();
    expect(answer).toMatchObject({ status: 503, body: '{"error":"temporarily unavailable"}' });
  });
  test('Temporal: 202 all the same', async () => {
    scene.signal = () => Promise.reject(new Error('no connection'));
    expect((await scene.report()).status).toBe(202);
    await scene.until(() => scene.logs.some(({ message }) => message.includes('the watcher signals it later')));
    expect(scene.live().status?.inspectionPhase).toBe('Complete');
  });
  test('Temporal hangs: 202 at once', async () => {
    let release = () => {};
    scene.signal = () => new Promise<void>((resolve) => (release = resolve));
    expect((await scene.report()).status).toBe(202);
    release();
  });
});

test('memory that is installed and not at hand is told by an event', async () => {
  const memory = { totalGB: 188, modules: [{ sizeBytes: 384 * 2 ** 30 }] };
  const body = JSON.stringify({ cpus: { cores: 4 }, memory, disks: [] });
  const answer = await scene.call('POST', PATH, { bearer: 'tok-'.padEnd(43, 'A'), body });
  expect(answer.status).toBe(202);
  expect(scene.events).toMatchObject([
    { type: 'Normal', reason: 'InspectionComplete' },
    {
      type: 'Warning',
      reason: 'MemoryNotUsable',
      message: expect.stringMatching(/^384 GiB .* has 188 GiB: these count/),
    },
  ]);
});

describe('what is no report', () => {
  const send = (body: string | Buffer, headers: Record<string, string> = {}) =>
    scene.call('POST', PATH, { bearer: 'tok-'.padEnd(43, 'A'), body, headers });

  test('400 with everything that is wrong; the inspection goes on waiting', async () => {
    const answer = await send('{"cpus":{"cores":"16"},"memory":{"totalBytes":-1},"disks":[{"device":"/dev/sda"}]}');
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toEqual({
      error: 'invalid report',
      problems: [
        'cpus.cores: has to be a number, not "16"',
        'memory.totalBytes: has to be at least 0, not -1',
        'disks[0].sizeBytes: is missing',
      ],
    });
    expect(scene.live().status?.inspection).toBeUndefined();
    expect(scene.events).toMatchObject([{ type: 'Warning', reason: 'InspectionReportRejected' }]);
    expect((await scene.report()).status).toBe(202);
  });
  test.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['broken JSON', '{"cpus":'],
    ['a comma after the last entry', '{"disks":[],}'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a list', '[]'],
  ])('400: %s', async (_name, body) => {
    expect((await send(body)).status).toBe(400);
  });
  test('a claim whose reports are refused for ever costs 20 of them, then one a minute; it is told why', async () => {
    const statuses: number[] = [];
    for (let at = 0; at < 30; at += 1) statuses.push((await send('[]')).status);
    expect(statuses).toEqual([...Array<number>(20).fill(400), ...Array<number>(10).fill(429)]);
    const answer = await send('[]');
    expect(JSON.parse(answer.body)).toMatchObject({ reason: expect.stringContaining('were refused') });
    expect(answer.headers['retry-after']).toBe('30');
    expect(scene.events.length).toBeLessThanOrEqual(20);
    // It can still say that it has failed.
    const failed = { bearer: 'tok-'.padEnd(43, 'A'), body: '{"reason":"no disk"}' };
    expect((await scene.call('POST', PATH.replace('/inspection/', '/provision-failed/'), failed)).status).toBe(202);
  });
  test.each([
    ['1 MiB of lists in lists', '['.repeat(2 ** 20 - 1)],
    ['1 MiB of objects in objects', '{"a":'.repeat(200_000)],
    ['a list of 300,000 objects', `[${'{},'.repeat(300_000)}{}]`],
  ])('%s holds the process for less than 100 ms', async (_what, body) => {
    const { answer, heldMs } = await held(() => send(body));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ problems: [expect.stringContaining('it has more than')] });
    expect(heldMs).toBeLessThan(100);
  });
  test.each(['text/plain', 'application/x-www-form-urlencoded', '', 'application/jsonx'])('415: %j', async (type) => {
    expect((await send(TEXT, { 'Content-Type': type })).status).toBe(415);
  });
  test.each(['application/json; charset=utf-8', 'Application/JSON'])('%j is fine', async (type) => {
    expect((await send(TEXT, { 'Content-Type': type })).status).toBe(202);
  });
  test('413 above 1 MiB, told beforehand or not; exactly 1 MiB is read', async () => {
    const large = Buffer.alloc(1_048_577, 0x20);
    expect((await send(large)).status).toBe(413);
    expect((await send(large, { 'Transfer-Encoding': 'chunked' })).status).toBe(413);
    const padded = Buffer.from(TEXT.padEnd(1_048_576));
    expect((await send(padded)).status).toBe(202);
  });
});

test('the scene is an armed claim', () => {
  expect(claimOf(scene.live())).toMatchObject({ stage: 'Armed', id: CLAIM });
});
