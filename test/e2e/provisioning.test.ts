import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { request } from 'undici';
import { claimOf } from '../../model/claim.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-provisioning');
const reason = (object: { status?: { conditions?: { type: string; reason: string }[] } }) =>
  object.status?.conditions?.find(({ type }) => type === 'Ready')?.reason;

beforeAll(() => world.start({ hosts: 8, profile: 'mixed' }));
afterAll(() => world.stop());

/** How many TCP connections and sessions each BMC was asked for so far, in the order of the hosts. */
const held = () =>
  Array.from({ length: 8 }, (_, index) => {
    const { recorder } = world.serverOf(`host-${index + 1}`);
    const logins = recorder.list().filter(({ method, path }) => method === 'POST' && path.endsWith('/Sessions'));
    return { connections: recorder.connections, logins: logins.length };
  });
let before: ReturnType<typeof held>;

describe('from apply to Provisioned and back', () => {
  test('eight machines on eight makers of BMCs, each with what users were promised', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `m-${index + 1}`);
    before = held();
    await Promise.all(
      names.map((name) =>
        world.addMachine(name, { hardwareRequirements: { minCPUCores: 4, minMemoryGB: 8, minDiskGB: 50 } }),
      ),
    );
    const machines = await Promise.all(names.map((name) => world.machineIs(name, 'Provisioned', 120_000)));
    const hosts = new Set(machines.map(({ status }) => status?.hostRef?.name));
    expect(hosts.size).toBe(8);
    for (const machine of machines) {
      const host = machine.status?.hostRef?.name ?? '';
      expect(machine.spec.providerID).toBe(`b7://${world.namespace}/${host}/${machine.metadata.name}`);
      expect(machine.status).toMatchObject({ ready: true, initialization: { provisioned: true } });
      const provisioned = machine.status?.conditions?.find(({ type }) => type === 'MachineProvisioned');
      expect(provisioned).toMatchObject({ status: 'True', reason: 'InspectionComplete' });
      expect(machine.metadata.annotations?.['clusterctl.cluster.x-k8s.io/block-move']).toBeUndefined();
      const object = await world.host(host);
      expect(object?.status).toMatchObject({ state: 'Ready', inspectionPhase: 'Complete' });
      expect(object?.status?.inspectionReport).toMatchObject({
        cpus: { count: 2, cores: 16 },
        memory: { totalGB: 64 },
      });
      expect(object && claimOf(object)?.stage).toBe('HandedOver');
      expect(world.serverOf(host).server.state).toMatchObject({
        power: 'On',
        running: 'os',
        boots: 1,
        networkBoots: 1,
      });
      expect(world.serverOf(host).server.override.enabled).toBe('Disabled');
    }
  });

  test('a whole provisioning took at most one session and one TCP connection at each BMC', () => {
    const now = held();
    for (const [index, { connections, logins }] of now.entries()) {
      expect({ host: index + 1, connections: connections - (before[index]?.connections ?? 0) <= 1 }).toEqual({
        host: index + 1,
        connections: true,
      });
      expect({ host: index + 1, logins: logins - (before[index]?.logins ?? 0) <= 1 }).toEqual({
        host: index + 1,
        logins: true,
      });
    }
    // What is counted is there: each was connected to, and one maker's BMC wants sessions.
    expect(now.every(({ connections }) => connections > 0)).toBe(true);
    expect(now.some(({ logins }) => logins > 0)).toBe(true);
  });

  test('kubectl get reads well, and events tell the story', async () => {
    const table = await world.kubectl('get', 'physicalhosts,beskar7machines');
    expect(table).toMatch(/STATE\s+POWER\s+CONSUMER/);
    expect(table).toMatch(/m-1\s+Provisioned\s+host-\d\s+True\s+InspectionComplete/);
    const events = await world.kubectl('get', 'events', '-o', 'jsonpath={.items[*].reason}');
    for (const wanted of ['HostClaimed', 'InspectionStarted', 'InspectionComplete', 'ProvisioningComplete']) {
      expect(events).toContain(wanted);
    }
  });

  test('the run is short and its history holds no secret', async () => {
    const handle = world.temporal.workflow.getHandle(`provision/${world.namespace}/m-1`);
    const { historyLength, status } = await handle.describe();
    expect(status.name).toBe('COMPLETED');
    expect(historyLength).toBeLessThanOrEqual(70);
    const history = JSON.stringify(await handle.fetchHistory());
    expect(history).not.toContain(world.password);
    expect(history).not.toContain(Buffer.from(world.password).toString('base64'));
  });

  test('the metrics of the architecture text are there', async () => {
    const { body } = await request(world.metricsUrl);
    const text = await body.text();
    expect(text).toMatch(/beskar7_physicalhost_state\{namespace="e2e-provisioning",state="Ready"\} 8/);
    expect(text).toMatch(/beskar7_provisioning_duration_seconds_count 8/);
    expect(text).toMatch(/beskar7_inspection_duration_seconds_count 8/);
    expect(text).toContain('beskar7_inspection_failures_total');
    expect(text).toContain('temporal_');
  });

  test('deleted machines leave hosts that are off, free and without a token', async () => {
    const token = (await world.host('host-1'))?.status?.bootToken?.hash;
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    await world.kubectl('delete', 'beskar7machines', '--all', '--wait=false');
    for (let index = 1; index <= 8; index += 1) {
      const host = await world.hostIs(`host-${index}`, 'Available', 120_000);
      expect(host.spec.consumerRef).toBeUndefined();
      expect(claimOf(host)).toBeUndefined();
      expect(host.status?.bootToken).toBeUndefined();
      expect(reason(host)).toBe('Released');
      expect(world.serverOf(`host-${index}`).server.state.power).toBe('Off');
      expect(world.serverOf(`host-${index}`).server.override.enabled).toBe('Disabled');
    }
    for (let index = 1; index <= 8; index += 1) await world.machineIsGone(`m-${index}`);
    const secrets = await world.kubectl('get', 'secrets', '-o', 'name');
    expect(secrets).not.toContain('-boot-');
  });

  test('every change at a BMC named its claim, and nothing was forbidden to the service account', () => {
    for (const entry of world.fleet.requests().filter(({ mutating }) => mutating)) {
      expect(entry.userAgent).toMatch(/^beskar7 \([0-9a-f-]{36}\)$/);
    }
    const log = readFileSync(world.beskar7.logFile, 'utf8');
    expect(log).not.toContain('403 Forbidden');
    expect(log).not.toContain(world.password);
  });
});
