import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(60_000);

const world = new World('e2e-attempts', ['--inspection-timeout=3s']);
const hosts = ['host-1', 'host-2', 'host-3'];
const of = (pool: string) => ({ hostSelector: { matchLabels: { pool } } });
/** The hosts whose servers were switched on, in the order in which that happened. */
const booted = () =>
  hosts
    .flatMap((host) => world.requestsOf(host).map((request) => ({ host, ...request })))
    .filter(({ body }) => body.includes('"ResetType":"On"'))
    .sort((a, b) => a.monotonicMs - b.monotonicMs)
    .map(({ host }) => host);

beforeAll(async () => {
  await world.start({ hosts: 3, profile: 'generic' });
  await world.kubectl('label', 'physicalhosts', 'host-1', 'host-2', 'pool=two');
});
afterAll(() => world.stop());

describe('spec.attempts', () => {
  test('after a failed validation another host is tried, and the conditions tell of it', async () => {
    await world.fleet.fault('sim-0001', { smallHardware: true });
    await world.fleet.fault('sim-0002', { smallHardware: true });
    const messages: string[] = [];
    await world.addMachine('second-chance', { ...of('two'), attempts: 2, hardwareRequirements: { minCPUCores: 8 } });
    const machine = await world.untilMachine('second-chance', 'failed', (object) => {
      messages.push(told(object));
      return object.status?.phase === 'Failed';
    });
    const retry = messages.find((message) => message.startsWith('RetryingOnAnotherHost'));
    expect(retry).toMatch(
      /Another host is tried\. Attempt 1 of 2 failed \(HardwareRequirementsNotMet\): Host host-[12] /,
    );
    expect(told(machine)).toMatch(
      /^HardwareRequirementsNotMet: Host host-[12] .*Attempt 1 of 2 failed \(HardwareRequirementsNotMet\): Host host-[12] /,
    );
    const events = await world.kubectl(
      'get',
      'events',
      '--field-selector',
      'reason=HardwareValidationFailed',
      '-o',
      'yaml',
    );
    expect(events).toMatch(/Attempt 1 of 2 failed/);
    expect([...booted()].sort()).toEqual(['host-1', 'host-2']);
    for (const host of ['host-1', 'host-2']) await isFreeAndOff(world, host);
    await world.fleet.heal();
  });

  test('never the same host twice: with one that fits, the second attempt waits for another one', async () => {
    await world.fleet.fault('sim-0003', { neverReports: true });
    await world.kubectl('label', 'physicalhost', 'host-3', 'pool=one');
    await world.addMachine('patient', { ...of('one'), attempts: 3 });
    const waits = (object: Parameters<typeof told>[0]) => told(object).startsWith('NoMatchingHost');
    const machine = await world.untilMachine('patient', 'waiting', waits);
    expect(told(machine)).toMatch(
      /looked at 3 hosts \(.*1 tried already.*\).*Attempt 1 of 3 failed \(InspectionTimeout\): Host host-3 /,
    );
    await isFreeAndOff(world, 'host-3');
    await world.kubectl('label', '--overwrite', 'physicalhost', 'host-2', 'pool=one');
    const provisioned = await world.machineIs('patient', 'Provisioned');
    expect(provisioned.status?.hostRef?.name).toBe('host-2');
    const host = await world.host('host-2');
    expect(host && claimOf(host)?.attempt).toBe(2);
    expect(resets(world, 'host-3')).toEqual(['On', 'ForceOff']);
    await world.fleet.heal();
  });

  test('one attempt is the default: no second host is touched', async () => {
    await world.fleet.fault('sim-0001', { neverReports: true });
    await world.kubectl('label', '--overwrite', 'physicalhosts', 'host-1', 'pool=default');
    const before = booted().length;
    await world.addMachine('once', of('default'));
    const machine = await world.machineIs('once', 'Failed');
    expect(told(machine)).toMatch(/^InspectionTimeout: Host host-1 /);
    expect(booted().slice(before)).toEqual(['host-1']);
    await isFreeAndOff(world, 'host-1');
  });
});
