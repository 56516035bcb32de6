import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { changes, isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-enrolment');
/** How long a refused password is not tried again, since BMCs lock accounts. */
const REFUSED_MS = 60_000;

beforeAll(() => world.start({ hosts: 2, profile: 'generic' }));
afterAll(() => world.stop());

/** Takes a free host out of Beskar7's hands; its server is switched off by that. */
const remove = (host: string) => world.kubectl('delete', 'physicalhost', host, '--timeout=30s');
const add = (host: string, credentialsSecretRef = 'bmc') => {
  const { address, mac } = world.serverOf(host);
  return world.addHost(host, address, { bootMACAddress: mac, redfishConnection: { address, credentialsSecretRef } });
};

describe('a server that runs when its host is enrolled', () => {
  test('is left running: Available, powerState On, and nothing is changed at its BMC', async () => {
    await remove('host-1');
    world.serverOf('host-1').server.press('On');
    const before = changes(world, 'host-1');
    await add('host-1');
    const host = await world.hostIs('host-1', 'Available');
    expect(host.status?.powerState).toBe('On');
    expect(changes(world, 'host-1')).toBe(before);
    expect(world.serverOf('host-1').server.state.power).toBe('On');
  });

  test('is switched off before anything else by the claim that takes it', async () => {
    const since = performance.now();
    await world.kubectl('label', 'physicalhost', 'host-1', 'only=host-1');
    await world.addMachine('takes', { hostSelector: { matchLabels: { only: 'host-1' } } });
    await world.machineIs('takes', 'Provisioned');
    expect(resets(world, 'host-1', since)).toEqual(['ForceOff', 'On']);
    await world.kubectl('delete', 'beskar7machine', 'takes', '--wait=false');
    await isFreeAndOff(world, 'host-1');
  });
});

describe('a Secret with a wrong password', () => {
  const setPassword = (password: string) =>
    world.kubectl('patch', 'secret', 'late', '-p', JSON.stringify({ stringData: { password } }));
  const refused = () => world.requestsOf('host-2').filter(({ status }) => status === 401).length;

  test('corrected while the enrolment is refused again and again: the next attempt reads it, and succeeds', async () => {
    await remove('host-2');
    await world.kubectl(
      'create',
      'secret',
      'generic',
      'late',
      '--from-literal=username=admin',
      '--from-literal=password=x',
    );
    await add('host-2', 'late');
    const first = await world.hostIs('host-2', 'Error');
    expect(told(first)).toMatch(/^Unauthorized: .*Attempt 1; the next one is due at /);
    const dueAt = Date.parse(first.status?.enrollment?.nextAttemptAt ?? '');
    expect(dueAt - Date.now()).toBeLessThanOrEqual(REFUSED_MS);
    const before = refused();
    await setPassword(world.password);
    await world.hostIs('host-2', 'Available', REFUSED_MS + 15_000);
    // Nothing was tried in between that could lock the account.
    expect(refused()).toBe(before);
  });

  test('corrected, and the enrolment told so as docs/temporal.md says: it is tried at once', async () => {
    await remove('host-2');
    await setPassword('wrong again');
    await add('host-2', 'late');
    const { status } = await world.hostIs('host-2', 'Error');
    const dueAt = Date.parse(status?.enrollment?.nextAttemptAt ?? '');
    await setPassword(world.password);
    const signal = ['--name', 'hostChanged', '--input', '{"connectionHash":"now"}'];
    await world.temporalCli('workflow', 'signal', '-w', `enroll/${world.namespace}/host-2`, ...signal);
    await world.hostIs('host-2', 'Available');
    expect(Date.now()).toBeLessThan(dueAt);
  });

  test('made again under its name while the enrolment of the one before waits: that ends, the new one begins at once', async () => {
    await remove('host-2');
    await setPassword('wrong once more');
    await add('host-2', 'late');
    const before = await world.hostIs('host-2', 'Error');
    const dueAt = Date.parse(before.status?.enrollment?.nextAttemptAt ?? '');
    const { runId } = await world.temporal.workflow.getHandle(`enroll/${world.namespace}/host-2`).describe();
    await remove('host-2');
    await add('host-2');
    await world.untilHost('host-2', 'Available anew', ({ metadata, status }) => {
      return metadata.uid !== before.metadata.uid && status?.state === 'Available';
    });
    expect(Date.now()).toBeLessThan(dueAt);
    const earlier = world.temporal.workflow.getHandle(`enroll/${world.namespace}/host-2`, runId);
    await expect(earlier.result()).resolves.toMatch(/ is gone$/);
  });
});
