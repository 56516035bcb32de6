import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { MonitorKeeper } from '../../../controllers/monitorKeeper.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { host } from './builders.ts';
import { FakeStarter, fakeInformers, logger } from './fakes.ts';

let informers: ReturnType<typeof fakeInformers>;
let starter: FakeStarter;
let keeper: MonitorKeeper | undefined;

beforeEach(() => {
  jest.useFakeTimers();
  informers = fakeInformers();
  starter = new FakeStarter();
  keeper = undefined;
});
afterEach(async () => {
  await keeper?.stop();
  jest.useRealTimers();
});

const pass = (ms = 0) => jest.advanceTimersByTimeAsync(ms);

async function start(shards = 2): Promise<void> {
  keeper = new MonitorKeeper({
    informers,
    starter,
    logger,
    settings: { shards, intervalMs: 60_000 },
    resyncMs: 60_000,
  });
  keeper.start();
  await pass();
}

function hostIn(workerPool: string | undefined, name: string): PhysicalHost {
  const redfishConnection = { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' };
  return host({
    metadata: { name, uid: `${name}-uid` },
    spec: { redfishConnection: { ...redfishConnection, ...(workerPool === undefined ? {} : { workerPool }) } },
  });
}

const KEPT = ['keep monitor default/0 of 2 every 60000', 'keep monitor default/1 of 2 every 60000'];

test('no host, no monitor', async () => {
  await start();
  await pass(300_000);
  expect(starter.calls).toEqual([]);
});

test('each pool with hosts has its monitors, and they are seen to again', async () => {
  informers.hosts.put(hostIn(undefined, 'a'), hostIn(undefined, 'b'));
  await start();
  expect(starter.calls).toEqual(KEPT);
  informers.hosts.put(hostIn('site-a', 'c'));
  await pass();
  expect(starter.calls.slice(2)).toEqual([
    'keep monitor site-a/0 of 2 every 60000',
    'keep monitor site-a/1 of 2 every 60000',
  ]);
  await pass(61_000);
  expect(starter.calls).toHaveLength(8);
});

test('a start that failed is tried again soon', async () => {
  informers.hosts.put(hostIn(undefined, 'a'));
  starter.failure = new Error('Temporal is away');
  await start();
  starter.failure = undefined;
  starter.calls.length = 0;
  await pass(1_000);
  expect(starter.calls).toEqual(KEPT);
});

const told = () => starter.calls.filter((call) => call.startsWith('tell'));

test('shards that are no longer there are told so, over a gap as well', async () => {
  informers.hosts.put(hostIn(undefined, 'a'));
  starter.open.add('monitor/default/2').add('monitor/default/3').add('monitor/default/5');
  await start();
  expect(told()).toEqual(['tell monitor/default/2 of 2', 'tell monitor/default/3 of 2', 'tell monitor/default/5 of 2']);
});

test('and again when a process of the release before has started them once more', async () => {
  informers.hosts.put(hostIn(undefined, 'a'));
  await start();
  expect(told()).toEqual([]);
  starter.open.add('monitor/default/3');
  await pass(61_000);
  expect(told()).toEqual(['tell monitor/default/3 of 2']);
  starter.open.clear();
  await pass(3_600_000);
  starter.open.add('monitor/default/2');
  await pass(61_000);
  expect(told().slice(1)).toEqual(['tell monitor/default/2 of 2']);
});

test('a call that fails is made again, though the shards before it are closed by then', async () => {
  await start();
  // Long after the roll-out, when no gap is looked over.
  await pass(3_600_000);
  starter.open.add('monitor/default/2').add('monitor/default/3').add('monitor/default/4');
  starter.failsToSignal = 'monitor/default/3';
  informers.hosts.put(hostIn(undefined, 'a'));
  await pass();
  starter.open.delete('monitor/default/2');
  starter.failsToSignal = undefined;
  await pass(1_000);
  expect(told()).toEqual(['tell monitor/default/2 of 2', 'tell monitor/default/3 of 2', 'tell monitor/default/4 of 2']);
});

test('without monitoring, what is open is ended', async () => {
  informers.hosts.put(hostIn(undefined, 'a'));
  starter.open.add('monitor/default/0');
  await start(0);
  expect(starter.calls).toEqual(['tell monitor/default/0 of 0']);
});
