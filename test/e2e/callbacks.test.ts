import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { resets } from '../support/atTheBmc.ts';
import { handOverByHand, reportByHand } from '../support/byHand.ts';
import { told } from '../support/conditions.ts';
import { untilEvent } from '../support/history.ts';
import { World } from '../support/world.ts';
import { summaryOf, type HistoryEvent } from '../../view/historyParts.ts';

jest.setTimeout(60_000);

const world = new World('e2e-callbacks', ['--inspection-timeout=20s']);
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const reported = (host: string) =>
  world.untilHost(host, 'with a report', ({ status }) => status?.inspection?.reportDigest !== undefined);

/** The timer of a machine's inspection, as soon as it has been started. */
async function inspectionTimer(machine: string): Promise<string> {
  await world.untilMachine(machine, 'claiming', ({ status }) => status?.phase !== undefined);
  let timer = '';
  await untilEvent(world, machine, 'an inspection', (event) => {
    if (summaryOf(event) === 'Inspection timeout') timer = event.timerStartedEventAttributes?.timerId ?? '';
    return timer !== '';
  });
  return timer;
}

beforeAll(async () => {
  await world.start({ hosts: 3, profile: 'generic' });
  for (let index = 1; index <= 3; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

/** A process that answers callbacks only, at the address that servers know, and whose signals reach nobody. */
const deafApi = () =>
  world.startAnother('deaf', [
    '--roles=api',
    '--temporal-namespace=e2e-callbacks-elsewhere',
    `--callback-bind-address=${new URL(world.callbackUrl).host}`,
    `--boot-bind-address=${new URL(world.bootUrl).host}`,
  ]);

describe('what was answered 202 reaches its run', () => {
  test('everything else is killed, the signal is lost, the deadline passes: the stored report counts, not the timeout', async () => {
    // The report comes when only the deaf process is there, and never before: the test sends it.
    await world.fleet.fault('sim-0001', { neverReports: true });
    await world.addMachine('stored', on('host-1'));
    const timer = await inspectionTimer('stored');
    await world.beskar7.kill('SIGKILL');
    const api = await deafApi();
    expect(await reportByHand(world, 'host-1')).toBe(202);
    await reported('host-1');
    await api.stop();
    // The inspection's timer fires while nobody works, before the report is looked at.
    const isFired = (event: HistoryEvent) => event.timerFiredEventAttributes?.timerId === timer;
    await untilEvent(world, 'stored', 'the timeout', isFired);
    await world.startBeskar7();
    await handOverByHand(world, 'host-1');
    const machine = await world.machineIs('stored', 'Provisioned');
    expect(told(machine)).toMatch(/^InspectionComplete: /);
    expect((await world.host('host-1'))?.status?.inspectionPhase).toBe('Complete');
    expect(resets(world, 'host-1')).toEqual(['On']);
  });

  test('a callback whose answer is lost, and one that comes twice: stored once, one boot', async () => {
    await world.fleet.fault('sim-0002', { loseAnswers: 1, duplicateCallbacks: true, times: 1 });
    await world.addMachine('twice', on('host-2'));
    await world.machineIs('twice', 'Provisioned');
    const host = await world.host('host-2');
    expect(host && claimOf(host)?.stage).toBe('HandedOver');
    expect(world.serverOf('host-2').server.state).toMatchObject({ boots: 1, running: 'os' });
  });

  test('a reason that the image gave before it powered off stands on the machine', async () => {
    await world.fleet.fault('sim-0003', { provisionFails: 'no-disk', loseAnswers: 1, times: 1 });
    await world.addMachine('gave-up', on('host-3'));
    expect(told(await world.machineIs('gave-up', 'Failed'))).toMatch(/^ProvisionFailed: .*no-disk/);
  });
});
