import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Beskar7Machine } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { told } from '../support/conditions.ts';
import { testControlPlane } from '../support/controlPlane.ts';
import { OwnTemporal } from '../support/ownTemporal.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const isWaiting = (machine: Beskar7Machine) => told(machine).startsWith('NoMatchingHost');
const claim = async (host: string) => {
  const object = await world.host(host);
  return object && claimOf(object);
};
/** Waits until the process says so in /readyz, and requires that it is ready all the while. */
async function isReadyAndSays(text: string): Promise<void> {
  const until = Date.now() + 45_000;
  for (;;) {
    const response = await fetch(world.readyUrl);
    const body = await response.text();
    expect(response.status).toBe(200);
    if (body.includes(text)) return;
    if (Date.now() > until) throw new Error(`/readyz says ${body}, not ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

let temporal: OwnTemporal;
let world: World;

beforeAll(async () => {
  temporal = await OwnTemporal.start(testControlPlane());
  world = new World('e2e-temporal-wiped', ['--resync=10s'], temporal.plane);
  await world.start({ hosts: 4, profile: 'generic' });
  for (let index = 1; index <= 4; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(async () => {
  await world.stop();
  await temporal.stop();
});

describe('Temporal’s database lost under running processes', () => {
  test('a report that comes while Temporal is away is taken: the process stays ready, and says what is missing', async () => {
    await world.addMachine('runs', on('host-1'));
    await world.machineIs('runs', 'Provisioned');
    await world.addMachine('waits', on('nowhere'));
    await world.untilMachine('waits', 'waiting', isWaiting);
    await world.fleet.fault('sim-0002', { delayCallbacksMs: 10_000, times: 1 });
    await world.addMachine('inspects', on('host-2'));
    await world.hostIs('host-2', 'Inspecting');
    await temporal.kill();
    await world.untilHost('host-2', 'with a report', ({ status }) => status?.inspection?.reportDigest !== undefined);
    await isReadyAndSays('"temporal":"Temporal cannot be reached');
  });

  test('what waited goes on waiting, what was under way goes on with its claim, what runs is not touched', async () => {
    const [before, untouched] = [await claim('host-2'), changes(world, 'host-1')];
    await temporal.startEmpty();
    await world.machineIs('inspects', 'Provisioned', 120_000);
    expect((await claim('host-2'))?.id).toBe(before?.id);
    expect(resets(world, 'host-2')).toEqual(['On']);
    await world.kubectl('label', '--overwrite', 'physicalhost', 'host-3', 'only=nowhere');
    await world.machineIs('waits', 'Provisioned', 120_000);
    expect(resets(world, 'host-3')).toEqual(['On']);
    expect(changes(world, 'host-1')).toEqual(untouched);
    await isReadyAndSays('ok\n');
  });

  test('lost once more, and the namespace is made by the server: runs start, and are found by their attributes', async () => {
    const untouched = ['host-1', 'host-2', 'host-3'].map((host) => changes(world, host));
    await temporal.kill();
    await world.addMachine('later', on('host-4'));
    await temporal.startEmpty([world.temporalNamespace]);
    await world.machineIs('later', 'Provisioned', 120_000);
    const found = [];
    for await (const { workflowId } of world.temporal.workflow.list({ query: 'Beskar7Machine = "later"' }))
      found.push(workflowId);
    expect(found).toEqual([`provision/${world.namespace}/later`]);
    await world.kubectl('delete', 'beskar7machine', 'runs', '--wait=false');
    await world.machineIsGone('runs');
    await isFreeAndOff(world, 'host-1');
    const now = ['host-2', 'host-3'].map((host) => changes(world, host));
    expect(now).toEqual(untouched.slice(1));
  });

  test('a process that is stopped while it waits for Temporal ends its parts in order', async () => {
    await temporal.kill();
    await world.beskar7.kill('SIGKILL');
    await world.startBeskar7();
    await isReadyAndSays('"temporal":');
    await world.beskar7.stop();
    const said = (await readFile(world.beskar7.logFile, 'utf8')).trimEnd().split('\n').slice(-20).join('\n');
    expect(said).toMatch(/"msg":"stopped"}$/);
    expect(said).not.toContain('fatal error');
    await world.startBeskar7();
  });

  test('a process that starts while Temporal is away takes reports, and tells them when it has come', async () => {
    await temporal.kill();
    await world.beskar7.kill('SIGKILL');
    await world.startBeskar7();
    await isReadyAndSays('"temporal":');
    expect((await fetch(`${world.callbackUrl}/api/v1/nothing`)).status).toBe(404);
    await temporal.startEmpty();
    await isReadyAndSays('ok\n');
    await world.kubectl('delete', 'beskar7machine', 'later', '--wait=false');
    await world.machineIsGone('later', 120_000);
    await isFreeAndOff(world, 'host-4');
  });
});
