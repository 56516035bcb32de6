import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-failures', ['--inspection-timeout=4s']);
const messageOf = (object: { status?: { conditions?: { type: string; reason: string; message: string }[] } }) => {
  const ready = object.status?.conditions?.find(({ type }) => type === 'Ready');
  return `${ready?.reason ?? ''}: ${ready?.message ?? ''}`;
};
/** Pins a machine to a host, so that the test knows where its faults are. */
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  for (let index = 1; index <= 5; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
});
afterAll(() => world.stop());

const isFreeAndOff = async (name: string) => {
  const host = await world.hostIs(name, 'Available');
  expect(host.spec.consumerRef).toBeUndefined();
  expect(claimOf(host)).toBeUndefined();
  expect(world.serverOf(name).server.state.power).toBe('Off');
  expect(world.serverOf(name).server.override.enabled).toBe('Disabled');
  return host;
};

describe('the error handling of the architecture text', () => {
  test('no report: inspectionPhase Timeout, machine Failed, server off, host Available', async () => {
    await world.fleet.fault('sim-0001', { neverReports: true });
    await world.addMachine('silent', on('host-1'));
    const machine = await world.machineIs('silent', 'Failed');
    expect(messageOf(machine)).toMatch(
      /^InspectionTimeout: Host host-1 sent no inspection report until \S+ It fetched its boot script: look at its console/,
    );
    const host = await isFreeAndOff('host-1');
    expect(host.status?.inspectionPhase).toBe('Timeout');
    await world.fleet.heal();
  });

  test('a retry by annotation is a new run, on the same host, which does not time out at once', async () => {
    await world.kubectl('annotate', 'beskar7machine', 'silent', 'beskar7.io/retry=1');
    await world.machineIs('silent', 'Provisioned');
    await world.kubectl('delete', 'beskar7machine', 'silent', '--wait=false');
    await world.machineIsGone('silent');
    await isFreeAndOff('host-1');
  });

  test('hardware below the requirements: Failed with what is missing, off, Available, and a spec edit tries again', async () => {
    await world.addMachine('greedy', { ...on('host-2'), hardwareRequirements: { minCPUCores: 64, minMemoryGB: 8 } });
    const machine = await world.machineIs('greedy', 'Failed');
    expect(messageOf(machine)).toMatch(/^HardwareRequirementsNotMet: .*minCPUCores: 64 asked for, 16 found/);
    await isFreeAndOff('host-2');
    expect(world.serverOf('host-2').server.state.kexecs).toBe(0);
    await world.kubectl(
      'patch',
      'beskar7machine',
      'greedy',
      '--type=merge',
      '-p',
      '{"spec":{"hardwareRequirements":{"minCPUCores":16}}}',
    );
    await world.machineIs('greedy', 'Provisioned');
  });

  test('the inspection image gives up: its reason stands on the machine', async () => {
    await world.fleet.fault('sim-0003', { provisionFails: 'target-digest-mismatch' });
    await world.addMachine('unlucky', on('host-3'));
    const machine = await world.machineIs('unlucky', 'Failed');
    expect(messageOf(machine)).toMatch(/^ProvisionFailed: .*target-digest-mismatch/);
    await isFreeAndOff('host-3');
    await world.fleet.heal();
  });

  test('a wrong password: host Error with what to do, retried; the right one brings it back', async () => {
    await world.kubectl(
      'create',
      'secret',
      'generic',
      'wrong',
      '--from-literal=username=admin',
      '--from-literal=password=no',
    );
    const { address, mac } = world.fleet.host('sim-0004');
    await world.kubectl('delete', 'physicalhost', 'host-4', '--wait=false');
    await world.hostIsGone('host-4');
    await world.admin.create(
      {
        group: 'infrastructure.cluster.x-k8s.io',
        version: 'v1beta1',
        plural: 'physicalhosts',
        kind: 'PhysicalHost',
        namespaced: true,
      },
      {
        metadata: { name: 'host-4', namespace: world.namespace, labels: { only: 'host-4' } },
        spec: { bootMACAddress: mac, redfishConnection: { address, credentialsSecretRef: 'wrong' } },
      } as never,
    );
    const host = await world.hostIs('host-4', 'Error');
    expect(messageOf(host)).toMatch(/^Unauthorized: .*Attempt 1; the next one is due at /);
    await world.kubectl(
      'patch',
      'physicalhost',
      'host-4',
      '--type=merge',
      '-p',
      '{"spec":{"redfishConnection":{"credentialsSecretRef":"bmc"}}}',
    );
    await world.hostIs('host-4', 'Available');
  });
});

describe('what an operator does', () => {
  test('temporal workflow cancel while the server boots: off, Available, Failed with reason Cancelled, not started again', async () => {
    await world.fleet.fault('sim-0005', { neverReports: true });
    await world.addMachine('stopped', on('host-5'));
    await world.hostIs('host-5', 'Inspecting');
    const asked = performance.now();
    await world.temporalCli('workflow', 'cancel', '-w', `provision/${world.namespace}/stopped`);
    const machine = await world.machineIs('stopped', 'Failed');
    expect(messageOf(machine)).toMatch(/^Cancelled: /);
    await isFreeAndOff('host-5');
    const off = world.fleet.requests('sim-0005', asked).find(({ body }) => body.includes('ForceOff'));
    expect(off).toBeDefined();
    const handle = world.temporal.workflow.getHandle(`provision/${world.namespace}/stopped`);
    await expect(handle.result()).rejects.toThrow(/cancel/i);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
  });

  test('reset of the cancelled run is a new attempt with a new claim', async () => {
    await world.fleet.heal();
    await world.temporalCli(
      'workflow',
      'reset',
      '-w',
      `provision/${world.namespace}/stopped`,
      '--type',
      'FirstWorkflowTask',
      '--reason',
      'test',
    );
    const machine = await world.machineIs('stopped', 'Provisioned');
    expect(machine.status?.hostRef?.name).toBe('host-5');
  });

  test('reset of the finished run touches nothing', async () => {
    const before = world.fleet.requests('sim-0005').filter(({ mutating }) => mutating).length;
    await world.temporalCli(
      'workflow',
      'reset',
      '-w',
      `provision/${world.namespace}/stopped`,
      '--type',
      'FirstWorkflowTask',
      '--reason',
      'test',
    );
    const result = await world.temporal.workflow.getHandle(`provision/${world.namespace}/stopped`).result();
    expect(result).toMatch(/already provisioned/);
    expect(world.fleet.requests('sim-0005').filter(({ mutating }) => mutating)).toHaveLength(before);
    expect((await world.machine('stopped'))?.status?.phase).toBe('Provisioned');
  });

  test('kubectl delete in the middle of the inspection: off, released, gone', async () => {
    await world.fleet.fault('sim-0003', { neverReports: true });
    await world.kubectl('annotate', 'beskar7machine', 'unlucky', 'beskar7.io/retry=1');
    await world.hostIs('host-3', 'Inspecting');
    await world.kubectl('delete', 'beskar7machine', 'unlucky', '--wait=false');
    await world.machineIsGone('unlucky');
    await isFreeAndOff('host-3');
    await world.fleet.heal();
  });

  test('a claimed host is not deleted before its machine, and a free one is switched off first', async () => {
    await world.kubectl('delete', 'physicalhost', 'host-5', '--wait=false');
    await world.untilHost('host-5', 'with DeletionBlocked', ({ status }) =>
      (status?.conditions ?? []).some(({ type, status: value }) => type === 'DeletionBlocked' && value === 'True'),
    );
    expect(world.serverOf('host-5').server.state.running).toBe('os');
    await world.kubectl('delete', 'beskar7machine', 'stopped', '--wait=false');
    await world.machineIsGone('stopped');
    await world.hostIsGone('host-5');
    expect(world.serverOf('host-5').server.state.power).toBe('Off');
  });

  test('a host that was never enrolled goes at once, whatever is wrong with its BMC', async () => {
    const [closed = 0] = await freePorts(1);
    await world.addHost('mistyped', `http://127.0.0.1:${closed}`);
    await world.hostIs('mistyped', 'Error');
    await world.kubectl('delete', 'physicalhost', 'mistyped', '--timeout=50s');
    expect(await world.kubectl('get', 'events', '--field-selector=reason=DeletedUnseen')).toContain('never enrolled');
  });

  test('a host that was enrolled is not deleted while its BMC is away, but by force', async () => {
    await world.fleet.fault('sim-0003', { refuse: true });
    await world.kubectl('delete', 'physicalhost', 'host-3', '--wait=false');
    const host = await world.untilHost('host-3', 'waiting', (seen) => messageOf(seen).startsWith('ReleasePending: '));
    expect(messageOf(host)).toContain('beskar7.io/force-release=');
    await world.kubectl('annotate', 'physicalhost', 'host-3', 'beskar7.io/force-release=burnt down');
    await world.hostIsGone('host-3');
    await world.fleet.heal();
  });

  test('the last hosts that go, all at once, free their Secret', async () => {
    await world.kubectl('delete', 'beskar7machines', '--all', '--wait=false');
    for (const name of ['greedy']) await world.machineIsGone(name);
    await world.kubectl('delete', 'physicalhosts', '--all', '--wait=false');
    for (let index = 1; index <= 5; index += 1) await world.hostIsGone(`host-${index}`);
    await world.kubectl('delete', 'secret', 'bmc', '--timeout=30s');
  });
});
