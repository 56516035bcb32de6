import { describe, expect, test } from '@jest/globals';
import { decideCluster, ENDPOINT_READY, type ClusterView } from '../../../controllers/clusterDecision.ts';
import type { Beskar7Cluster } from '../../../crds/beskar7Cluster.ts';
import { findCondition } from '../../../crds/conditions.ts';
import { ANNOTATION_MANAGED_BY, ANNOTATION_PAUSED, LABEL_CONTROL_PLANE, LABEL_ZONE } from '../../../crds/names.ts';
import { capiCluster, capiMachine, cluster, DELETED, freeHost, machine } from './builders.ts';

const NOW = '2026-01-01T00:00:00Z';
const view = (parts: Partial<ClusterView> = {}): ClusterView => ({
  cluster: cluster(),
  capiMachines: [],
  machines: [],
  hosts: [],
  ...parts,
});
const address = (type: 'InternalIP' | 'ExternalIP' | 'Hostname', value: string) => ({ type, address: value });
const ready = { initialization: { infrastructureProvisioned: true } };

function written(parts: Partial<ClusterView>) {
  const decision = decideCluster(view(parts), NOW);
  if (decision.kind !== 'write') throw new Error(decision.why);
  return decision;
}

/** The cluster after the decision was written. */
function after(parts: Partial<ClusterView>): Beskar7Cluster {
  const { endpoint, status } = written(parts);
  const before = parts.cluster ?? cluster();
  return {
    ...before,
    spec: endpoint ? { controlPlaneEndpoint: endpoint } : before.spec,
    ...(status ? { status } : {}),
  };
}

describe('a cluster', () => {
  test('is ready before it has an endpoint: its first machine waits for that', () => {
    const { status, endpoint } = written({});
    expect(endpoint).toBeUndefined();
    expect(status).toMatchObject({ ready: true, initialization: { provisioned: true } });
    expect(findCondition(status?.conditions, 'Ready')?.status).toBe('True');
    expect(findCondition(status?.conditions, ENDPOINT_READY)).toMatchObject({
      status: 'False',
      reason: 'WaitingForControlPlaneMachine',
    });
  });

  test.each([
    ['InternalIP first', [address('ExternalIP', '1.1.1.1'), address('InternalIP', '10.0.0.1')], '10.0.0.1'],
    ['else ExternalIP', [address('Hostname', 'x'), address('ExternalIP', '1.1.1.1')], '1.1.1.1'],
    ['no address', [address('Hostname', 'x')], undefined],
    [
      'never that of its own BMC',
      [address('InternalIP', '169.254.3.1'), address('InternalIP', '10.0.0.1')],
      '10.0.0.1',
    ],
    ['nor loopback', [address('InternalIP', '127.0.0.1'), address('InternalIP', 'fe80::1')], undefined],
  ])('takes the address of a ready control-plane machine: %s', (_name, addresses, expected) => {
    const { endpoint, status } = written({ capiMachines: [capiMachine({ status: { ...ready, addresses } })] });
    expect(endpoint).toEqual(expected && { host: expected, port: 6443 });
    expect(status?.controlPlaneEndpoint).toEqual(endpoint);
  });

  test('takes the oldest machine that is ready, and keeps it', () => {
    const at = (name: string, creationTimestamp: string, ip: string, status: object = ready) =>
      capiMachine({
        metadata: { name, creationTimestamp },
        status: { ...status, addresses: [address('InternalIP', ip)] },
      });
    const capiMachines = [
      at('c', '2026-01-03T00:00:00Z', '10.0.0.3'),
      at('b', '2026-01-02T00:00:00Z', '10.0.0.2'),
      at('a', '2026-01-01T00:00:00Z', '10.0.0.1', {}),
    ];
    const first = after({ capiMachines });
    expect(first.spec.controlPlaneEndpoint).toEqual({ host: '10.0.0.2', port: 6443 });
    expect(decideCluster(view({ cluster: first, capiMachines: capiMachines.slice(0, 1) }), NOW).kind).toBe('nothing');
  });

  test('without Cluster API it looks at Beskar7Machines', () => {
    const labels = { [LABEL_CONTROL_PLANE]: '' };
    const status = { ready: true, addresses: [address('InternalIP', '10.0.0.9')] };
    expect(written({ machines: [machine({ metadata: { labels }, status })] }).endpoint?.host).toBe('10.0.0.9');
    expect(written({ machines: [machine({ status })] }).endpoint).toBeUndefined();
  });

  test('a user’s own endpoint wins, with its port', () => {
    const given = cluster({ spec: { controlPlaneEndpoint: { host: 'api.example', port: 443 } } });
    const capiMachines = [capiMachine({ status: { ...ready, addresses: [address('InternalIP', '10.0.0.1')] } })];
    const { endpoint, status } = written({ cluster: given, capiMachines });
    expect(endpoint).toBeUndefined();
    expect(status?.controlPlaneEndpoint).toEqual({ host: 'api.example', port: 443 });
    const portOnly = cluster({ spec: { controlPlaneEndpoint: { host: '', port: 8443 } } });
    expect(written({ cluster: portOnly, capiMachines }).endpoint).toEqual({ host: '10.0.0.1', port: 8443 });
  });

  test('failure domains are the zones of the hosts, as a map', () => {
    const hosts = [
      freeHost('a', { [LABEL_ZONE]: 'z2' }),
      freeHost('b', { [LABEL_ZONE]: 'z1' }),
      freeHost('c', { [LABEL_ZONE]: 'z1' }),
      freeHost('d'),
      freeHost('e', { [LABEL_ZONE]: 'z3' }, DELETED),
    ];
    expect(written({ hosts }).status?.failureDomains).toEqual({
      z1: { controlPlane: true },
      z2: { controlPlane: true },
    });
  });

  test('is written only when something changed', () => {
    const hosts = [freeHost('a', { [LABEL_ZONE]: 'z' })];
    const done = after({ hosts });
    expect(decideCluster(view({ cluster: done, hosts }), '2027-01-01T00:00:00Z').kind).toBe('nothing');
    expect(decideCluster(view({ cluster: done }), NOW).kind).toBe('write');
  });

  test.each<[string, Partial<ClusterView>]>([
    ['managed by somebody else', { cluster: cluster({ metadata: { annotations: { [ANNOTATION_MANAGED_BY]: '' } } }) }],
    ['being deleted', { cluster: cluster({ metadata: DELETED }) }],
  ])('%s: nothing', (_name, parts) => {
    expect(decideCluster(view(parts), NOW).kind).toBe('nothing');
  });

  test.each<[string, Partial<ClusterView>]>([
    [
      'its own annotation',
      {
        cluster: {
          ...after({}),
          metadata: cluster({ metadata: { annotations: { [ANNOTATION_PAUSED]: '' } } }).metadata,
        },
      },
    ],
    ['its Cluster', { cluster: after({}), owner: capiCluster({ spec: { paused: true } }) }],
  ])('paused by %s: says so, leaves the rest, once', (_name, parts) => {
    const hosts = [freeHost('a', { [LABEL_ZONE]: 'z' })];
    const { status } = written({ ...parts, hosts });
    expect(status?.failureDomains).toBeUndefined();
    expect(status?.conditions?.map(({ type }) => type).sort()).toEqual([ENDPOINT_READY, 'Paused', 'Ready'].sort());
    const paused = after({ ...parts, hosts });
    expect(decideCluster(view({ ...parts, cluster: paused, hosts }), NOW).kind).toBe('nothing');
    const resumed = { ...paused, metadata: cluster().metadata };
    expect(findCondition(after({ cluster: resumed, hosts }).status?.conditions, 'Paused')).toBeUndefined();
  });
});
