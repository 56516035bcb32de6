import path from 'node:path';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { stringify } from 'yaml';
import { runCommand } from '../../tools/toolchain/command.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { testControlPlane } from '../support/controlPlane.ts';

jest.setTimeout(60_000);

const plane = testControlPlane();
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-crds-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const API_VERSION = 'infrastructure.cluster.x-k8s.io/v1beta1';

async function apply(kind: string, spec: object): Promise<{ code: number | null; output: string }> {
  const file = path.join(folder, 'object.yaml');
  writeFileSync(
    file,
    stringify({ apiVersion: API_VERSION, kind, metadata: { name: 'x', namespace: 'default' }, spec }),
  );
  return runCommand(plane.kubectl, ['--kubeconfig', plane.adminKubeconfig, 'create', '--dry-run=server', '-f', file], {
    timeoutMs: 30_000,
  });
}

const connection = { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' };
const os_ = 'http://images.example/os.tar.gz';

describe('what is refused at once, with the name of the field', () => {
  test.each([
    ['PhysicalHost', {}, /redfishConnection.*Required/],
    ['PhysicalHost', { redfishConnection: { ...connection, address: 'ftp://x' } }, /redfishConnection\.address/],
    [
      'PhysicalHost',
      { redfishConnection: { ...connection, insecureSkipVerify: true, caBundleSecretRef: 'ca' } },
      /insecureSkipVerify or caBundleSecretRef, not both/,
    ],
    ['PhysicalHost', { redfishConnection: connection, bootMACAddress: '00-25' }, /bootMACAddress/],
    ['Beskar7Machine', {}, /targetOSImage.*Required/],
    ['Beskar7Machine', { targetOSImage: 'http://x/os.tar.gz init=/bin/sh' }, /targetOSImage/],
    [
      'Beskar7Machine',
      { targetOSImage: os_, deployMode: 'WholeDisk' },
      /targetOSImageDigest is required when deployMode is WholeDisk/,
    ],
    ['Beskar7Machine', { targetOSImage: os_, targetOSImageDigest: `md5:${'a'.repeat(32)}` }, /targetOSImageDigest/],
    ['Beskar7Machine', { targetOSImage: os_, deployMode: 'Teleport' }, /deployMode.*(Kexec|WholeDisk)/],
    ['Beskar7Machine', { targetOSImage: os_, hardwareRequirements: { minCPUCores: -1 } }, /minCPUCores/],
    ['Beskar7Machine', { targetOSImage: os_, attempts: 0 }, /attempts/],
  ])('%s %j', async (kind, spec, message) => {
    const { code, output } = await apply(kind, spec);
    expect(code).not.toBe(0);
    expect(output).toMatch(message);
  });
});

describe('what a template says does not change', () => {
  const kubectl = (...args: string[]) =>
    runCommand(plane.kubectl, ['--kubeconfig', plane.adminKubeconfig, '-n', 'default', ...args], { timeoutMs: 30_000 });
  const patch = (kind: string, value: object, ...more: string[]) =>
    kubectl('patch', kind, 'immutable', '--type=merge', '-p', JSON.stringify(value), ...more);
  const specOf = { beskar7machinetemplate: { targetOSImage: os_ }, beskar7clustertemplate: {} };
  const changed = {
    beskar7machinetemplate: { targetOSImage: `${os_}2` },
    beskar7clustertemplate: { controlPlaneEndpoint: { port: 7443 } },
  };

  test.each([['beskar7machinetemplate'], ['beskar7clustertemplate']] as const)('%s', async (kind) => {
    const file = path.join(folder, `${kind}.yaml`);
    const names = {
      beskar7machinetemplate: 'Beskar7MachineTemplate',
      beskar7clustertemplate: 'Beskar7ClusterTemplate',
    };
    const object = { apiVersion: API_VERSION, kind: names[kind], metadata: { name: 'immutable' } };
    writeFileSync(file, stringify({ ...object, spec: { template: { spec: specOf[kind] } } }));
    expect((await kubectl('create', '-f', file)).code).toBe(0);
    try {
      const change = { spec: { template: { spec: changed[kind] } } };
      const dryRunMark = { metadata: { annotations: { 'topology.cluster.x-k8s.io/dry-run': '' } } };
      const refused = await patch(kind, change);
      expect(refused.output).toMatch(/spec\.template\.spec cannot change: make a new template/);
      // The dry run of the topology controller, which compares; the mark without a dry run, and a dry run without the
      // mark, change nothing.
      expect((await patch(kind, { ...change, ...dryRunMark }, '--dry-run=server')).code).toBe(0);
      expect((await patch(kind, { ...change, ...dryRunMark })).code).not.toBe(0);
      expect((await patch(kind, change, '--dry-run=server')).code).not.toBe(0);
      // What is around the spec may change: owners, labels.
      expect((await patch(kind, { metadata: { labels: { a: 'b' } } })).code).toBe(0);
    } finally {
      await kubectl('delete', kind, 'immutable');
    }
  });
});

describe('what cannot change any more', () => {
  const kubectl = (...args: string[]) =>
    runCommand(plane.kubectl, ['--kubeconfig', plane.adminKubeconfig, '-n', 'default', ...args], { timeoutMs: 30_000 });
  const consumerRef = { apiVersion: API_VERSION, kind: 'Beskar7Machine', name: 'first', namespace: 'default' };

  test('of a claimed host: who has it, its BMC, and its boot MAC', async () => {
    const patch = (spec: object) =>
      kubectl('patch', 'physicalhost', 'claimed', '--type=merge', '-p', JSON.stringify({ spec }));
    const file = path.join(folder, 'claimed.yaml');
    const metadata = { name: 'claimed', annotations: { 'beskar7.io/unschedulable': '' } };
    const spec = { redfishConnection: connection, bootMACAddress: '00:25:90:f0:79:00', consumerRef };
    writeFileSync(file, stringify({ apiVersion: API_VERSION, kind: 'PhysicalHost', metadata, spec }));
    expect(await kubectl('create', '-f', file)).toMatchObject({ code: 0 });
    try {
      for (const change of [
        { redfishConnection: { address: 'https://10.0.0.6' } },
        { redfishConnection: { systemID: '2' } },
        { redfishConnection: { workerPool: 'elsewhere' } },
        { bootMACAddress: '00:25:90:f0:79:01' },
      ])
        expect((await patch(change)).output).toMatch(
          /cannot change while the host is claimed: delete its machine first/,
        );
      expect((await patch({ consumerRef: { name: 'second' } })).output).toMatch(/set and cleared, but not replaced/);
      // The Secret may be another one: credentials are rotated while a host is in use.
      expect((await patch({ redfishConnection: { credentialsSecretRef: 'rotated' } })).code).toBe(0);
      expect((await patch({ consumerRef: null })).code).toBe(0);
      expect((await patch({ redfishConnection: { address: 'https://10.0.0.6' } })).code).toBe(0);
    } finally {
      await kubectl('delete', 'physicalhost', 'claimed');
    }
  });
});

describe('what is taken', () => {
  test.each([
    ['PhysicalHost', { redfishConnection: connection }],
    [
      'PhysicalHost',
      { redfishConnection: { ...connection, address: 'https://[fd00::5]:8443', systemID: '1', workerPool: 'site-a' } },
    ],
    ['Beskar7Machine', { targetOSImage: os_ }],
    ['Beskar7MachineTemplate', { template: { spec: { targetOSImage: os_ } } }],
    ['Beskar7Cluster', { controlPlaneEndpoint: { host: '', port: 6443 } }],
    ['Beskar7ClusterTemplate', { template: { spec: {} } }],
  ])('%s %j', async (kind, spec) => {
    const { code, output } = await apply(kind, spec);
    expect([code, output]).toEqual([0, expect.stringContaining('created (server dry run)')]);
  });
});
