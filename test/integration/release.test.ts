import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { KINDS } from '../../crds/kinds.ts';
import { HISTORIES } from '../../tools/release/histories.ts';
import { currentVersion, writeRelease } from '../../tools/release/index.ts';
import { kubectl } from '../../tools/controlplane/install.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';
import { ROLES } from '../../workers/config.ts';
import { testControlPlane } from '../support/controlPlane.ts';

jest.setTimeout(600_000);

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: { template?: { spec: { containers: { name: string; image: string; args: string[] }[] } } };
}

const VERSION = 'v0.1.7';
const PROVIDER = 'infrastructure-beskar7';
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-release-'));
const read = (name: string) => readFileSync(path.join(folder, name), 'utf8');
const manifests = (name: string) => parseAllDocuments(read(name)).map((document) => document.toJS() as Manifest);
const variables = (name: string) =>
  [...new Set([...read(name).matchAll(/\$\{(\w+)/g)].map(([, found]) => found))].sort();
const needed = (name: string) =>
  [...new Set([...read(name).matchAll(/\$\{(\w+)\}/g)].map(([, found]) => found))].sort();

/** Histories of a version that is not there yet: those of this one. */
const histories = mkdtempSync(path.join(os.tmpdir(), 'beskar7-histories-'));

let helm = '';
let names: string[] = [];
beforeAll(async () => {
  ({ helm } = await ensureTools(['helm']));
  const current = (await currentVersion()).slice(1);
  cpSync(path.join(HISTORIES, current), path.join(histories, VERSION.slice(1)), { recursive: true });
  names = await writeRelease({ helm, version: VERSION, folder, histories });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(histories, { recursive: true });
});

test('a release has the files that clusterctl asks for, the chart and the SBOM', () => {
  expect(names).toEqual([
    'beskar7-0.1.7-sbom.cdx.json',
    'beskar7-0.1.7.tgz',
    'cluster-template-topology.yaml',
    'cluster-template.yaml',
    'clusterclass-beskar7.yaml',
    'infrastructure-components.yaml',
    'metadata.yaml',
  ]);
  expect(readdirSync(folder).sort()).toEqual(names);
});

test.each(['v1', '0.1.0', 'latest'])('%s is refused as a version', async (version) => {
  await expect(writeRelease({ helm, version, folder })).rejects.toThrow(/is no version/);
});

test('a version without a series in metadata.yaml is refused: clusterctl would not take it', async () => {
  await expect(writeRelease({ helm, version: 'v9.9.0', folder })).rejects.toThrow(/has no releaseSeries 9\.9/);
  expect(parse(read('metadata.yaml'))).toMatchObject({
    apiVersion: 'clusterctl.cluster.x-k8s.io/v1alpha3',
    kind: 'Metadata',
    releaseSeries: [{ major: 0, minor: 1, contract: 'v1beta2' }],
  });
});

describe('infrastructure-components.yaml', () => {
  test('everything carries the label of the provider, nothing that of helm', () => {
    const all = manifests('infrastructure-components.yaml');
    expect(all.length).toBeGreaterThan(15);
    for (const { kind, metadata } of all)
      expect({ kind, label: metadata.labels?.['cluster.x-k8s.io/provider'] }).toEqual({ kind, label: PROVIDER });
    expect(read('infrastructure-components.yaml')).not.toMatch(/managed-by: Helm|helm\.sh/);
  });

  test('exactly one Namespace, and what is namespaced is in it', () => {
    const all = manifests('infrastructure-components.yaml');
    expect(all.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)).toEqual([
      'beskar7-system',
    ]);
    for (const { metadata } of all) expect([undefined, 'beskar7-system']).toContain(metadata.namespace);
  });

  test('all kinds, with the contracts that they keep', () => {
    const kinds = manifests('infrastructure-components.yaml').filter(({ kind }) => kind === 'CustomResourceDefinition');
    expect(kinds.map(({ metadata }) => metadata.name.split('.')[0]).sort()).toEqual(
      KINDS.map(({ plural }) => plural).sort(),
    );
    for (const { metadata } of kinds) {
      expect(metadata.labels?.['cluster.x-k8s.io/v1beta1']).toMatch(/^v1beta1$/);
      expect(metadata.labels?.['cluster.x-k8s.io/v1beta2']).toMatch(/^v1beta[12]$/);
    }
  });

  test('a process for each role with its account, its rights, its webhook and the rule for templates', () => {
    const all = manifests('infrastructure-components.yaml').map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(all).toEqual(
      expect.arrayContaining([
        ...ROLES.flatMap((role) =>
          ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Deployment'].map(
            (kind) => `${kind}/beskar7-${role}`,
          ),
        ),
        'Service/beskar7-callbacks',
        'Service/beskar7-webhook',
        'ValidatingAdmissionPolicy/beskar7-templates',
        'ValidatingAdmissionPolicyBinding/beskar7-templates',
        'ValidatingAdmissionPolicy/beskar7-claims',
        'ValidatingAdmissionPolicyBinding/beskar7-claims',
        'ValidatingAdmissionPolicy/beskar7-accounts',
        'ValidatingAdmissionPolicyBinding/beskar7-accounts',
      ]),
    );
    const deployment = manifests('infrastructure-components.yaml').find(({ kind }) => kind === 'Deployment');
    const containers = deployment?.spec?.template?.spec.containers ?? [];
    expect(containers.map(({ name }) => name)).toEqual(['manager']);
    expect(containers[0]?.image).toBe('docker.io/library/beskar7:0.1.7');
    expect(containers[0]?.args).toContain('--temporal-address=${TEMPORAL_ADDRESS}');
  });

  test('asks for two variables, the others have defaults', () => {
    expect(needed('infrastructure-components.yaml')).toEqual(['BESKAR7_CALLBACK_URL', 'TEMPORAL_ADDRESS']);
    expect(variables('infrastructure-components.yaml')).toEqual([
      'BESKAR7_CALLBACK_URL',
      'BESKAR7_LOG_LEVEL',
      'BESKAR7_POWER_ON_RATE',
      'TEMPORAL_ADDRESS',
      'TEMPORAL_NAMESPACE',
      'TEMPORAL_PORT',
    ]);
    // A number that stood for a variable and was left behind would be one.
    expect(read('infrastructure-components.yaml')).not.toMatch(/\b6400[0-9]\b/);
  });
});

test.each(['cluster-template.yaml', 'cluster-template-topology.yaml'])(
  '%s takes the variables of clusterctl',
  (name) => {
    expect(variables(name)).toEqual(
      expect.arrayContaining([
        'CLUSTER_NAME',
        'CONTROL_PLANE_MACHINE_COUNT',
        'KUBERNETES_VERSION',
        'NAMESPACE',
        'WORKER_MACHINE_COUNT',
      ]),
    );
    expect(needed(name)).toEqual([
      'CLUSTER_NAME',
      'CONTROL_PLANE_ENDPOINT_HOST',
      'KUBERNETES_VERSION',
      'NAMESPACE',
      'TARGET_OS_IMAGE',
    ]);
  },
);

test('the real clusterctl lists its variables and images, puts an image of one’s own in its place, and makes a cluster of it', async () => {
  const { clusterctl } = await ensureTools(['clusterctl']);
  const home = mkdtempSync(path.join(os.tmpdir(), 'beskar7-generate-'));
  const repository = path.join(home, 'infrastructure-beskar7', 'v0.1.7');
  cpSync(folder, repository, { recursive: true });
  const config = path.join(home, 'clusterctl.yaml');
  const url = path.join(repository, 'infrastructure-components.yaml');
  writeFileSync(
    config,
    stringify({
      providers: [{ name: 'beskar7', type: 'InfrastructureProvider', url }],
      images: { 'infrastructure-beskar7': { repository: 'registry.example/metal' } },
    }),
  );
  const env = {
    ...process.env,
    CLUSTERCTL_DISABLE_VERSIONCHECK: 'true',
    BESKAR7_CALLBACK_URL: 'https://10.0.0.1:8082',
    TEMPORAL_ADDRESS: 'temporal:7233',
    CONTROL_PLANE_ENDPOINT_HOST: '10.0.0.50',
    TARGET_OS_IMAGE: 'http://10.0.0.1:8083/images/os.tar.gz',
  };
  const run = async (...words: string[]) => {
    const args = [...words, '--config', config, '--infrastructure', 'beskar7:v0.1.7'];
    return (await promisify(execFile)(clusterctl, args, { env, timeout: 60_000 })).stdout;
  };
  try {
    expect(await run('generate', 'provider', '--describe')).toMatch(
      /TEMPORAL_ADDRESS[\s\S]*registry\.example\/metal\/beskar7:0\.1\.7/,
    );
    const cluster = [
      'demo',
      '--kubernetes-version',
      'v1.34.0',
      '--worker-machine-count',
      '3',
      '--target-namespace',
      'metal',
    ];
    const made = parseAllDocuments(await run('generate', 'cluster', ...cluster)).map(
      (document) => document.toJS() as { kind: string; spec?: { replicas?: number } },
    );
    expect(made.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['Cluster', 'Beskar7Cluster', 'KubeadmControlPlane', 'Beskar7MachineTemplate']),
    );
    expect(made.find(({ kind }) => kind === 'MachineDeployment')?.spec?.replicas).toBe(3);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('a real API server takes infrastructure-components.yaml as clusterctl fills it in', async () => {
  const file = path.join(folder, 'filled.yaml');
  const values: Record<string, string> = {
    BESKAR7_CALLBACK_URL: 'https://10.0.0.1:8082',
    TEMPORAL_ADDRESS: 'temporal:7233',
  };
  const text = read('infrastructure-components.yaml').replace(
    /\$\{(\w+)(?::=([^}]*))?\}/g,
    (_, name: string, otherwise?: string) => values[name] ?? otherwise ?? '',
  );
  writeFileSync(file, text);
  const answer = await kubectl(
    testControlPlane(),
    'apply',
    '--server-side',
    '--force-conflicts',
    '--dry-run=server',
    '-f',
    file,
  );
  rmSync(file);
  const taken = answer.split('\n').filter((line) => line.endsWith('serverside-applied (server dry run)'));
  expect(taken).toHaveLength(manifests('infrastructure-components.yaml').length);
});

test('the SBOM lists what runs in production, and nothing else', () => {
  const sbom = JSON.parse(read('beskar7-0.1.7-sbom.cdx.json')) as {
    bomFormat: string;
    metadata: { component: { name: string; version: string } };
    components: { name: string; group?: string; version: string; purl: string }[];
  };
  expect(sbom.bomFormat).toBe('CycloneDX');
  expect(sbom.metadata.component).toMatchObject({ name: 'beskar7', version: '0.1.7' });
  const purls = sbom.components.map(({ purl }) => purl.replace(/\?.*$/, '').replace('%40', '@'));
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  for (const [name, version] of Object.entries(dependencies ?? {}))
    expect(purls).toContain(`pkg:npm/${name}@${version}`);
  const onlyForDevelopment = Object.keys(devDependencies ?? {}).filter((name) => /jest|eslint|prettier/.test(name));
  for (const name of onlyForDevelopment) expect(purls.some((purl) => purl.startsWith(`pkg:npm/${name}@`))).toBe(false);
});
