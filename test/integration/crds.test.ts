import path from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { stringify } from 'yaml';
import { runCommand } from '../../tools/toolchain/command.ts';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { testControlPlane } from '../support/controlPlane.ts';

jest.setTimeout(60_000);

const plane = testControlPlane();
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-crds-'));
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
    ['Beskar7Machine', { targetOSImage: os_, deployMode: 'Teleport' }, /deployMode.*(Kexec|WholeDisk)/],
    ['Beskar7Machine', { targetOSImage: os_, hardwareRequirements: { minCPUCores: -1 } }, /minCPUCores/],
    ['Beskar7Machine', { targetOSImage: os_, attempts: 0 }, /attempts/],
  ])('%s %j', async (kind, spec, message) => {
    const { code, output } = await apply(kind, spec);
    expect(code).not.toBe(0);
    expect(output).toMatch(message);
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
