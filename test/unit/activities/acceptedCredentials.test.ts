import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { enrollHost } from '../../../activities/enroll/enrollHost.ts';
import { pollHost } from '../../../activities/monitor/pollHost.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { connectionHash } from '../../../model/connection.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { HOSTS, MACHINES, SECRETS } from '../../../kube/resource.ts';
import { CredentialRecord } from '../../../redfish/credentials.ts';
import { RedfishError } from '../../../redfish/index.ts';
import { claimedHost, host, machine } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import { ApiServer } from './apiServer.ts';
import { NEVER, OneHost } from './oneHost.ts';
import { asActivity, putBehind, REF, workerOn } from './worker.ts';

let api: ApiServer;
let bmc: FakeBmc;
beforeEach(async () => {
  bmc = await fakeBmc((it) => (it.power = 'On'));
  api = await ApiServer.start();
  api.put(MACHINES, machine({ metadata: { deletionTimestamp: '2026-11-30T10:00:00Z' } }));
});
afterEach(async () => {
  await stopAll();
  await api.stop();
});

const live = () => api.get(HOSTS, 'h');
const recorded = () => live().status?.enrollment?.credentials;
const present = () => {
  const { uid = '', resourceVersion = '' } = api.get(SECRETS, 'bmc').metadata;
  return `${uid}/${resourceVersion}`;
};
const release = () =>
  asActivity((signal) => releaseHost(workerOn(api), { claim: REF, attempt: 1, nextAttemptInMs: 1 }, signal));

/** What the host has recorded of its Secret. */
function record(of: PhysicalHost, credentials: string): void {
  const enrollment = { attempt: 0, connectionHash: '', ...of.status?.enrollment, credentials };
  api.put(HOSTS, { ...of, status: { ...of.status, enrollment } });
}

/** As a BMC that starts: it refuses everybody for a moment. */
function refuses(times: number): void {
  let left = times;
  const headers = { 'www-authenticate': 'Basic realm="BMC"' };
  bmc.habits.unshift(({ path }) => (path !== '/redfish/v1/' && left-- > 0 ? { status: 401, headers } : undefined));
}

test('an enrolment records from which state of its Secret the BMC has accepted the log-in', async () => {
  putBehind(api, bmc, host());
  await asActivity((signal) =>
    enrollHost(workerOn(api), { host: { namespace: 'ns', name: 'h', uid: 'h-uid' }, failures: 0 }, signal),
  );
  expect(live().status?.state).toBe('Available');
  expect(recorded()).toBe(present());
});

test('the monitor does after a change of the Secret, writes nothing while there is none, and nothing on a host that was claimed', async () => {
  const one = new OneHost(claimedHost('HandedOver', { state: 'Ready' }), bmc);
  if (one.live) one.change({ status: { enrollment: { connectionHash: connectionHash(one.live.spec) } } });
  let version = 'u/1';
  const data = Buffer.from('x').toString('base64');
  const credentials = {
    get: () => Promise.resolve({ data: { username: data, password: data }, isMarked: true, version }),
  } as unknown as Dependencies['credentials'];
  const deps = { ...one.deps, credentials };
  const writes: string[] = [];
  one.beforeWrite = (what) => void writes.push(what);
  const poll = async () => {
    if (one.live) await pollHost(deps, one.live, undefined, 60_000, NEVER);
    return one.live?.status?.enrollment?.credentials;
  };
  expect(await poll()).toBe('u/1');
  const before = writes.length;
  expect(await poll()).toBe('u/1');
  expect(writes).toHaveLength(before);
  version = 'u/2';
  expect(await poll()).toBe('u/2');
  version = 'u/3';
  const polled = one.live;
  one.change({ metadata: claimedHost('Armed', {}, {}, { id: 'another' }).metadata });
  if (polled) await pollHost(deps, polled, undefined, 60_000, NEVER);
  expect(one.live?.status?.enrollment?.credentials).toBe('u/2');
  await one.close();
});

test('a worker that was started a moment ago switches off though the BMC refuses it at first', async () => {
  putBehind(api, bmc, claimedHost('Releasing', {}, {}, { releasedFrom: 'Claimed' }));
  record(live(), present());
  refuses(3);
  await expect(release()).resolves.toMatchObject({ kind: 'released' });
  expect(bmc.power).toBe('Off');
}, 20_000);

test.each([
  ['of another state of the Secret', (credentials: string) => `${credentials}0`, {}],
  ['at another address', (credentials: string) => credentials, { connectionHash: 'of another address' }],
])('what was accepted %s says nothing: one log-in', async (_what, credentials, enrollment) => {
  putBehind(api, bmc, claimedHost('Releasing', {}, {}, { releasedFrom: 'Claimed' }));
  record(live(), credentials(present()));
  const { status } = live();
  api.put(HOSTS, {
    ...live(),
    status: { ...status, enrollment: { attempt: 0, connectionHash: '', ...status?.enrollment, ...enrollment } },
  });
  refuses(3);
  expect(String(await failureOf(release()))).toContain('refuses the user');
  expect(bmc.power).toBe('On');
  expect(
    bmc.seen.filter(({ headers }) => headers.authorization !== undefined && headers.authorization !== ''),
  ).not.toHaveLength(4);
});

test('refused again and again, it is left alone for longer and longer, an hour at most', () => {
  const credentials = new CredentialRecord({ origin: 'https://10.0.0.99', username: 'u', password: 'p' });
  credentials.version = 'u/1';
  expect(credentials.holdMs).toBe(3_600_000);
  credentials.vouch('u/1');
  const holds = Array.from({ length: 9 }, () => {
    const { holdMs } = credentials;
    credentials.refuse(new RedfishError('Unauthorized', 'no'));
    return holdMs / 1_000;
  });
  expect(holds).toEqual([30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
  credentials.accept();
  expect(credentials.holdMs).toBe(30_000);
  credentials.version = 'u/2';
  expect(credentials.holdMs).toBe(3_600_000);
});
