import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { changes } from '../support/atTheBmc.ts';
import { isUpToDate, told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(120_000);

const INTERVAL_MS = 500;
const world = new World('e2e-monitoring', [`--monitor-interval=${INTERVAL_MS}ms`, '--monitor-shards=2']);
const HOSTS = ['host-1', 'host-2', 'host-3', 'host-4'];
const CONDITION = 'RedfishReachable';

beforeAll(async () => {
  await world.start({ hosts: HOSTS.length, profile: 'generic' });
  await world.kubectl('label', 'physicalhost', 'host-1', 'only=host-1');
  await world.addMachine('m', { hostSelector: { matchLabels: { only: 'host-1' } } });
  await world.machineIs('m', 'Provisioned');
});
afterAll(() => world.stop());

/**
 * Waits until the BMC of a host has got so many requests more, and gives how many came in the whole time and how long
 * that was.
 */
async function moreRequests(host: string, count: number, boundMs = 60_000) {
  const began = performance.now();
  while (world.requestsOf(host, began).length < count) {
    if (performance.now() - began > boundMs)
      throw new Error(`the BMC of ${host} got ${world.requestsOf(host, began).length} requests in ${boundMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { requests: world.requestsOf(host, began), tookMs: performance.now() - began };
}

/** Waits until the last requests to the BMC of a host since then were answered with these status codes. */
async function lastAnswersAre(host: string, statuses: readonly number[], sinceMs: number, boundMs = 30_000) {
  const began = performance.now();
  for (;;) {
    const answered = world.requestsOf(host, sinceMs).flatMap(({ status }) => (status > 0 ? [status] : []));
    if (answered.slice(-statuses.length).join() === statuses.join()) return;
    if (performance.now() - began > boundMs)
      throw new Error(`the BMC of ${host} answered ${answered.join(', ')} in ${boundMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('two long activities and no timer watch over all hosts', async () => {
  for (const shard of [0, 1]) {
    const handle = world.temporal.workflow.getHandle(`monitor/default/${shard}`);
    const { status, memo } = await handle.describe();
    expect({ status: status.name, memo }).toMatchObject({ status: 'RUNNING', memo: { shards: 2 } });
    const { events } = await handle.fetchHistory();
    expect((events ?? []).filter(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled)).toHaveLength(1);
    expect((events ?? []).filter(({ timerStartedEventAttributes: timer }) => timer)).toHaveLength(0);
  }
});

test('while idle a BMC gets one GET per interval, over one connection, and the host is not written', async () => {
  await moreRequests('host-2', 2);
  const before = (await world.host('host-2'))?.metadata.resourceVersion;
  const connections = world.serverOf('host-2').recorder.connections;
  const { requests, tookMs } = await moreRequests('host-2', 8);
  // At the interval of 60 s that is the default: 60 requests per BMC and hour.
  expect(requests.length).toBeLessThanOrEqual(Math.ceil(tookMs / INTERVAL_MS) + 1);
  expect(requests.map(({ method }) => method)).toEqual(requests.map(() => 'GET'));
  expect(world.serverOf('host-2').recorder.connections).toBe(connections);
  expect((await world.host('host-2'))?.metadata.resourceVersion).toBe(before);
});

test('an outage of the BMC of a provisioned server changes that condition, and nothing else', async () => {
  const before = await world.host('host-1');
  const sent = changes(world, 'host-1');
  expect(isUpToDate(before, CONDITION)).toBe(true);
  await world.fleet.fault('sim-0001', { refuse: true });
  const out = await world.untilHost('host-1', 'unreachable', (host) => isUpToDate(host, CONDITION, 'False'));
  expect(told(out, CONDITION)).toMatch(/^Unreachable: .*ECONNREFUSED.*Attempt \d+; the next one is due at 20\S+Z\. /);
  const others = (host: typeof before) => {
    const { conditions = [], ...status } = host?.status ?? {};
    return { status, conditions: conditions.filter(({ type }) => type !== CONDITION), spec: host?.spec };
  };
  expect(others(out)).toEqual(others(before));
  expect((await world.machine('m'))?.status?.phase).toBe('Provisioned');
  expect(isUpToDate(await world.machine('m'), 'Ready')).toBe(true);
  await world.fleet.heal();
  await world.untilHost('host-1', 'reachable', (host) => isUpToDate(host, CONDITION));
  expect(changes(world, 'host-1')).toBe(sent);
  expect(world.serverOf('host-1').server.state).toMatchObject({ power: 'On', running: 'os' });
});

test('a password that is changed in the Secret and at the BMC is picked up, without a moment of Unreachable', async () => {
  const rotated = Buffer.from('rotated').toString('base64');
  await world.kubectl('patch', 'secret', 'bmc', '--type=merge', '-p', JSON.stringify({ data: { password: rotated } }));
  for (const bmc of world.fleet.hosts) await bmc.fault({ password: 'rotated' });
  const changedAt = performance.now();
  for (const name of HOSTS) {
    // A password that was accepted before is tried a few times more: some BMCs refuse it for a moment.
    await lastAnswersAre(name, [200, 200], changedAt);
    expect(isUpToDate(await world.host(name), CONDITION)).toBe(true);
  }
});

test('when its worker is killed, a shard goes on at another one', async () => {
  const another = await world.startAnother('second', ['--roles=bmc-worker']);
  try {
    await world.beskar7.kill('SIGKILL');
    for (const name of HOSTS) await moreRequests(name, 3, 60_000);
  } finally {
    await world.startBeskar7();
    await another.stop();
  }
  // A worker that is told to end gives its shards away at once.
  const { tookMs } = await moreRequests('host-3', 3);
  expect(tookMs).toBeLessThan(20_000);
});
