import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { createKubernetesActivities } from '../../../activities/index.ts';
import { planOf } from '../../../activities/claim/plan.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { claimedHost, freeHost, machine, OURS } from '../controllers/builders.ts';
import { ApiServer, type ApiCall } from './apiServer.ts';
import { asActivity, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
let deps: Dependencies;
let refused: number;
let events: string[];
beforeEach(async () => {
  jest.spyOn(console, 'log').mockReturnValue();
  refused = 0;
  events = [];
  api = await ApiServer.start();
  const metrics = { ...workerOn(api).metrics, requestRefused: () => (refused += 1) } as Dependencies['metrics'];
  const recorder = {
    event: ({ kind }: { kind?: string }, _type: string, reason: string) => void events.push(`${kind} ${reason}`),
  } as unknown as Dependencies['recorder'];
  deps = workerOn(api, { metrics, recorder });
  api.put(MACHINES, machine({ metadata: OURS }));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await api.stop();
});

const activities = () => createKubernetesActivities(deps);
const to =
  (kind: string) =>
  ({ verb, what }: ApiCall) =>
    verb !== 'get' && verb !== 'list' && what.startsWith(kind);
const onMachine = () => findCondition(api.get(MACHINES, 'm').status?.conditions, 'WriteRefused');
const onHost = () => findCondition(api.get(HOSTS, 'h').status?.conditions, 'WriteRefused');
const reported = { inspection: { claim: REF.id, reportDigest: 'x', deadline: '2026-01-01T00:00:00Z' } };
const take = (timedOut: boolean) => asActivity(() => activities().takeReport({ claim: REF, run: RUN, timedOut }));
const release = () =>
  asActivity(() => activities().markReleasing({ claim: REF, reason: 'Cancelled: by hand', stages: ['Armed'] }));

describe('what the API server refuses for good', () => {
  test('of a host is told on the machine, by event, condition and metric; it fails as before, until it is let through', async () => {
    api.put(HOSTS, claimedHost('Armed', {}));
    api.refuses = to('physicalhosts');
    await expect(release()).rejects.toThrow('denied by policy');
    expect(onMachine()).toMatchObject({ status: 'True', reason: 'APIServerRefused' });
    expect(onMachine()?.message).toMatch(/patch physicalhosts ns\/h: 403 .*markReleasing is held up.*policies/);
    expect(onHost()).toBeUndefined();
    expect(refused).toBe(1);
    expect(events).toEqual(['Beskar7Machine WriteRefused', 'PhysicalHost WriteRefused']);
    // The same again is one condition, written once.
    const writes = api.writes.length;
    await expect(release()).rejects.toThrow('denied by policy');
    expect(api.writes).toHaveLength(writes);
    api.refuses = () => false;
    await release();
    expect(onMachine()).toBeUndefined();
  });

  test('of a machine is told on the host; what a run says on the way holds up neither it nor its deadlines', async () => {
    api.put(HOSTS, claimedHost('Armed', { ...reported, inspectionReport: {} }));
    api.refuses = to('beskar7machines');
    expect(await take(false)).toMatchObject({ kind: 'reported' });
    expect(onHost()).toMatchObject({ status: 'True', reason: 'APIServerRefused' });
    expect(refused).toBe(1);
  });

  test('the end of a run is never left out', async () => {
    api.put(HOSTS, claimedHost('Armed', {}));
    api.refuses = to('beskar7machines');
    const end = { run: RUN, outcome: 'Failed', reason: 'BootFailed', message: 'no', host: 'h' } as const;
    await expect(asActivity(() => activities().failMachine(end))).rejects.toThrow('denied by policy');
    api.refuses = () => false;
    await asActivity(() => activities().failMachine(end));
    expect(api.get(MACHINES, 'm').status?.phase).toBe('Failed');
  });

  test('the inspection deadline holds when the host cannot be written', async () => {
    api.put(HOSTS, claimedHost('Armed', { inspection: { claim: REF.id, deadline: '2026-01-01T00:00:00Z' } }));
    api.refuses = to('physicalhosts');
    const result = await take(true);
    expect(result).toMatchObject({ kind: 'timedOut', refusal: expect.stringContaining('denied by policy') });
    expect(refused).toBe(1);
    const late = { claim: REF, run: RUN, plan: planOf(machine(), machine().spec), startedAt: '2026-01-01T00:00:00Z' };
    const settle = (more: object) => asActivity(() => activities().settleHandover({ ...late, ...more }));
    // The same for the hand-over, unless it has been told by then: its server may run.
    expect(await settle({ timedOut: 'ProvisioningTimeout: late' })).toEqual({
      kind: 'timedOut',
      refusal: expect.stringContaining('denied by policy'),
    });
    const handover = { claim: REF.id, openedAt: '2026-01-01T00:00:00Z', outcome: 'Provisioned' as const };
    api.put(HOSTS, claimedHost('Armed', { handover }));
    await expect(settle({ timedOut: 'ProvisioningTimeout: late' })).rejects.toThrow('denied by policy');
    // A report that is there counts, deadline or not.
    api.put(HOSTS, claimedHost('Armed', { ...reported, inspectionReport: {} }));
    expect(await take(true)).toMatchObject({ kind: 'reported' });
  });

  test('a step that names a host alone tells it of the host', async () => {
    api.put(HOSTS, freeHost('h'));
    api.refuses = ({ verb }) => verb === 'patch';
    const host = { namespace: 'ns', name: 'h', uid: api.get(HOSTS, 'h').metadata.uid ?? '' };
    await expect(asActivity(() => activities().enrollHostUnserved(host))).rejects.toThrow('denied by policy');
    expect(events).toEqual(['PhysicalHost WriteRefused']);
  });
});
