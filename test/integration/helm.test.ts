import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { kubectl } from '../../tools/controlplane/install.ts';
import { CHART, renderChart, type RenderOptions } from '../../tools/release/chart.ts';
import { staleChartFiles } from '../../tools/release/chartFiles.ts';
import { ALL_ROLES_ACCOUNT, stalePlainManifests } from '../../tools/release/manifests.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';
import { ROLES } from '../../workers/config.ts';
import { testControlPlane } from '../support/controlPlane.ts';

jest.setTimeout(300_000);

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}
interface Container {
  args: string[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  ports: { name: string }[];
  resources: { requests?: object; limits?: object };
  securityContext: object;
  startupProbe: object;
  livenessProbe: object;
  readinessProbe: object;
  env: { name: string; value?: string }[];
}
interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  rules?: Rule[];
  roleRef?: { name: string };
  subjects?: { name: string }[];
  spec?: { template: { metadata: { labels: Record<string, string> }; spec: PodSpec } };
}
interface PodSpec {
  serviceAccountName: string;
  securityContext: object;
  containers: Container[];
  volumes: { name: string; secret?: object }[];
}

const PLACES = { 'temporal.address': 'temporal:7233', 'callback.url': 'https://10.0.0.1:8082' };
/** Namespaces in which a server's dry run may put something. */
const NAMESPACES = ['beskar7-system', 'helm-tenant'];
/** Kinds of others, which the embedded API server has not: taken with any content. */
const FOREIGN = [
  { group: 'monitoring.coreos.com', version: 'v1', kind: 'ServiceMonitor', plural: 'servicemonitors' },
  { group: 'monitoring.coreos.com', version: 'v1', kind: 'PrometheusRule', plural: 'prometheusrules' },
  { group: 'cert-manager.io', version: 'v1', kind: 'Certificate', plural: 'certificates' },
  { group: 'cert-manager.io', version: 'v1', kind: 'Issuer', plural: 'issuers' },
];
/** Sets of values: each has to be one that a real API server takes. */
const SETS: Record<string, Record<string, string>> = {
  'separate roles': {},
  'all in one': { separateRoles: 'false' },
  'one namespace': { watchNamespace: 'helm-tenant' },
  'one namespace, its own': { watchNamespace: 'beskar7-system' },
  'own certificate': { 'webhook.certificateSecret': 'given' },
  'cert-manager': { 'webhook.certManager.enabled': 'true' },
  'cert-manager with an issuer': {
    'webhook.certManager.enabled': 'true',
    'webhook.certManager.issuer.kind': 'ClusterIssuer',
    'webhook.certManager.issuer.name': 'company',
  },
  'callbacks in clear text': { 'callback.tls.enabled': 'false', 'callback.url': 'http://10.0.0.1:8082' },
  'callbacks with a certificate of their own': { 'callback.tls.certificateSecret': 'given' },
  'callbacks with cert-manager': {
    'callback.tls.certManager.enabled': 'true',
    'callback.url': 'https://boot.example:8082',
  },
  'callbacks with an issuer': {
    'callback.tls.certManager.enabled': 'true',
    'callback.tls.certManager.issuer.name': 'company',
  },
  monitoring: { 'serviceMonitor.enabled': 'true', 'prometheusRule.enabled': 'true', 'dashboards.enabled': 'true' },
  'Temporal with TLS': {
    'temporal.tls.enabled': 'true',
    'temporal.tls.clientSecret': 'client',
    'temporal.tls.caSecret.name': 'authority',
  },
  'Temporal with an API key': { 'temporal.apiKeySecret.name': 'cloud' },
  'Temporal beside it': { 'temporalServer.enabled': 'true', 'temporal.address': '' },
  networks: {
    'networkPolicy.managementCIDRs[0]': '10.1.0.0/16',
    'networkPolicy.provisioningCIDRs[0]': '10.2.0.0/16',
    'networkPolicy.productionCIDRs[0]': '10.3.0.0/16',
    'networkPolicy.apiServerCIDRs[0]': '10.4.0.1/32',
    'networkPolicy.temporalCIDRs[0]': '10.5.0.0/24',
  },
  'the web page with TLS': {
    'web.tlsSecret': 'page',
    'web.temporalUiUrl': 'https://temporal.example.com',
    'web.service.type': 'LoadBalancer',
    separateRoles: 'true',
  },
  'without the web page': { 'web.enabled': 'false' },
  'a worker pool': { 'workerPools[0].name': 'site-a', 'workerPools[0].managementCIDRs[0]': '10.9.0.0/16' },
};

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-helm-'));
let helm = '';
/** Namespaces and kinds that were not there before, removed again for the tests that follow. */
const made: string[] = [];

beforeAll(async () => {
  ({ helm } = await ensureTools(['helm']));
  const names = FOREIGN.map(({ plural, group }) => `crd/${plural}.${group}`);
  const file = path.join(folder, 'foreign.yaml');
  writeFileSync(file, FOREIGN.map((kind) => JSON.stringify(definition(kind))).join('\n---\n'));
  await kubectl(testControlPlane(), 'apply', '-f', file);
  made.push(...names);
  await kubectl(testControlPlane(), 'wait', '--for=condition=Established', '--timeout=60s', ...names);
  await kubectl(testControlPlane(), 'create', 'namespace', 'helm-tenant');
  made.push('namespace/helm-tenant');
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  if (made.length > 0) await kubectl(testControlPlane(), 'delete', '--wait=false', ...made);
});

function definition({ group, version, kind, plural }: (typeof FOREIGN)[number]): object {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  };
}

async function render(set: Record<string, string> = {}, options: RenderOptions = {}): Promise<Manifest[]> {
  const texts = await renderChart(helm, { ...options, set: { ...PLACES, ...set } });
  return texts.map((text) => parse(text) as Manifest);
}

/** Kind, name and place of everything that grants, with the rules in one order. */
function grants(manifests: Manifest[]): unknown[] {
  return manifests
    .filter(({ apiVersion }) => apiVersion.startsWith('rbac.authorization.k8s.io/'))
    .sort((one, other) => `${one.kind}/${one.metadata.name}`.localeCompare(`${other.kind}/${other.metadata.name}`));
}

const rulesOf = (manifests: Manifest[]) => manifests.flatMap(({ rules }) => rules ?? []);
/** Every right as `group/resource verb [names]`. */
const rights = (rules: Rule[]) =>
  rules.flatMap(({ apiGroups, resources, verbs, resourceNames }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.map((verb) => `${group}/${resource} ${verb} ${(resourceNames ?? []).join()}`.trim()),
      ),
    ),
  );

test('helm lint has no complaint', async () => {
  const set = Object.entries(PLACES).map(([key, value]) => `--set=${key}=${value}`);
  const { code, output } = await runCommand(helm, ['lint', '--strict', CHART, ...set], { timeoutMs: 60_000 });
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('0 chart(s) failed') });
});

test('what is copied into the chart, and the plain manifests made from it, are not stale', async () => {
  expect(await stalePlainManifests(helm)).toEqual([]);
  expect(await staleChartFiles()).toEqual([]);
});

test.each([
  [{ 'callback.url': '' }, /callback\.url is required/],
  [{ 'callback.url': 'http://10.0.0.1:8082' }, /begin it with https:\/\/, or set callback\.tls\.enabled=false/],
  [{ 'temporal.address': '' }, /temporal\.address is required/],
  [{ 'webhok.certificateSecret': 'x' }, /additional properties 'webhok' not allowed/],
])('%j is refused in words', async (set, words) => {
  await expect(render(set)).rejects.toThrow(words);
});

test.each(Object.entries(SETS))('a real API server takes: %s', async (name, set) => {
  const texts = await renderChart(helm, { set: { ...PLACES, ...set } });
  const manifests = texts.map((text) => parse(text) as Manifest);
  for (const { metadata } of manifests) expect([undefined, ...NAMESPACES]).toContain(metadata.namespace);
  const file = path.join(folder, `${name.replaceAll(/\W/g, '-')}.yaml`);
  writeFileSync(file, texts.join('---\n'));
  const words = ['apply', '--server-side', '--force-conflicts', '--validate=strict', '--dry-run=server', '-f', file];
  const answer = await kubectl(testControlPlane(), ...words);
  const taken = answer.split('\n').filter((line) => line.endsWith('serverside-applied (server dry run)'));
  expect(taken).toHaveLength(manifests.length);
});

describe('rights', () => {
  const documents = (file: string) =>
    parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as Manifest);
  const plain = documents('deploy/manifests/rbac.yaml');

  const AGGREGATED = 'cluster.x-k8s.io/aggregate-to-manager';

  test('the core of Cluster API is given its rights by aggregation, also where Beskar7 watches one namespace', async () => {
    for (const manifests of [plain, await render(), await render({ watchNamespace: 'helm-tenant' })]) {
      const roles = manifests.filter(({ metadata }) => metadata.labels?.[AGGREGATED] === 'true');
      expect(roles).toHaveLength(1);
      expect(roles[0]?.kind).toBe('ClusterRole');
      expect(rights(rulesOf(roles))).toEqual(
        expect.arrayContaining([
          'infrastructure.cluster.x-k8s.io/beskar7machines create',
          'infrastructure.cluster.x-k8s.io/beskar7clusters patch',
        ]),
      );
      // It is bound to nobody here.
      const bindings = manifests.filter(({ kind }) => kind.endsWith('RoleBinding'));
      expect(JSON.stringify(bindings)).not.toContain('beskar7-cluster-api');
    }
  });

  test('chart and plain manifests grant the same', async () => {
    expect(grants(plain).length).toBeGreaterThan(1);
    expect(grants(await render())).toEqual(grants(plain));
    const together = documents(ALL_ROLES_ACCOUNT);
    const roles = plain.filter(({ kind }) => !kind.endsWith('Binding'));
    expect(grants(await render({ separateRoles: 'false' }))).toEqual(grants([...roles, ...together]));
  });

  test('no Secret is listed or watched, and nothing is granted by a star', () => {
    const all = rights(rulesOf(plain));
    expect(all).toContain('/secrets get');
    expect(all.filter((right) => /^\/secrets (list|watch|deletecollection)/.test(right))).toEqual([]);
    expect(all.filter((right) => right.includes('*'))).toEqual([]);
  });

  test.each(['controllers', 'web'])('%s has nothing to do with Secrets', (role) => {
    const found = plain.filter(({ metadata, rules }) => metadata.name === `beskar7-${role}` && rules !== undefined);
    expect(found).toHaveLength(1);
    expect(rights(rulesOf(found)).filter((right) => right.startsWith('/secrets'))).toEqual([]);
  });

  test.each(ROLES)('%s: its Deployment has its account, which is bound to its rights and no others', async (role) => {
    const manifests = await render();
    const account = deployments(manifests).find(({ metadata }) => metadata.name === `beskar7-${role}`);
    expect(account?.spec?.template.spec.serviceAccountName).toBe(`beskar7-${role}`);
    const bound = manifests.filter(({ subjects = [] }) => subjects.some(({ name }) => name === `beskar7-${role}`));
    expect(bound.length).toBeGreaterThan(0);
    for (const { roleRef, subjects } of bound) {
      expect(roleRef?.name).toBe(`beskar7-${role}`);
      expect(subjects).toHaveLength(1);
    }
  });

  test.each(ROLES)(
    '%s, for one namespace: the same rights in it, and beyond it what is not namespaced',
    async (role) => {
      const manifests = await render({ watchNamespace: 'helm-tenant' });
      const of = (kind: string, namespace?: string) =>
        rights(
          rulesOf(
            manifests.filter(
              ({ kind: found, metadata }) =>
                found === kind &&
                metadata.namespace === namespace &&
                metadata.name.replace('-watched', '') === `beskar7-${role}`,
            ),
          ),
        );
      const wanted = plain.filter(
        ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === `beskar7-${role}`,
      );
      const cluster = of('ClusterRole');
      expect([...of('Role', 'helm-tenant'), ...cluster].sort()).toEqual(rights(rulesOf(wanted)).sort());
      const beyond =
        /^(\/namespaces get kube-system|authentication\.|authorization\.|apiextensions\.k8s\.io\/customresourcedefinitions \w+ beskar7clusters\.)/;
      expect(cluster.filter((right) => !beyond.test(right))).toEqual([]);
      const own = { webhook: 'beskar7-webhook-certificate', api: 'beskar7-callbacks-certificate' }[role as string];
      const kept = own === undefined ? [] : [`/secrets get ${own}`, `/secrets patch ${own}`, '/secrets create'];
      expect(of('Role', 'beskar7-system')).toEqual(kept);
    },
  );
});

const deployments = (manifests: Manifest[]) =>
  manifests.filter(({ kind, metadata }) => kind === 'Deployment' && metadata.name.startsWith('beskar7'));

describe('processes', () => {
  test('the roles that separate processes have are together those of one', async () => {
    const one = deployments(await render({ separateRoles: 'false' }));
    const apart = deployments(await render());
    const roles = (manifests: Manifest[]) =>
      manifests.map(({ spec }) => spec?.template.spec.containers[0]?.args.find((arg) => arg.startsWith('--roles=')));
    expect(roles(one)).toEqual(['--roles=all']);
    expect(roles(apart)).toEqual([
      '--roles=controllers',
      '--roles=worker',
      '--roles=bmc-worker',
      '--roles=api',
      '--roles=webhook',
      '--roles=web',
    ]);
  });

  test('callbacks are served by HTTPS unless somebody says otherwise', async () => {
    const args = async (set: Record<string, string> = {}) =>
      deployments(await render(set))
        .filter(({ spec }) => spec?.template.metadata.labels['beskar7.io/callbacks'] === 'served')
        .flatMap(({ spec }) => spec?.template.spec.containers[0]?.args ?? []);
    const own = '--callback-certificate-secret=beskar7-system/beskar7-callbacks-certificate';
    expect(await args()).toEqual(expect.arrayContaining(['--callback-url=https://10.0.0.1:8082', own]));
    expect(await args({ separateRoles: 'false' })).toContain(own);
    const given = await args({ 'callback.tls.certificateSecret': 'given' });
    expect(given).toContain('--tls-cert-dir=/callbacks');
    expect(given).not.toContain(own);
    const clear = await args({ 'callback.tls.enabled': 'false', 'callback.url': 'http://10.0.0.1:8082' });
    expect(clear.filter((arg) => /tls|certificate/.test(arg))).toEqual([]);
  });

  test('not root, nothing writable, with probes, requests, limits and a budget for disruptions', async () => {
    const manifests = await render({ separateRoles: 'true' });
    const budgets = manifests.filter(({ kind }) => kind === 'PodDisruptionBudget').map(({ metadata }) => metadata.name);
    expect(budgets).toEqual(deployments(manifests).map(({ metadata }) => metadata.name));
    for (const { spec } of deployments(manifests)) {
      expect(spec?.template.spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      const [container] = spec?.template.spec.containers ?? [];
      expect(container?.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const at = (where: string) => ({ httpGet: { path: where, port: 'health' } });
      expect(container?.startupProbe).toMatchObject(at('/healthz'));
      expect(container?.livenessProbe).toMatchObject(at('/healthz'));
      expect(container?.readinessProbe).toMatchObject(at('/readyz'));
      expect(Object.keys(container?.resources ?? {}).sort()).toEqual(['limits', 'requests']);
    }
  });

  test('the Service of the webhook finds a process that serves it, under the name that the process is told', async () => {
    for (const separateRoles of ['false', 'true']) {
      const manifests = await render({ separateRoles }, { release: 'other', namespace: 'elsewhere' });
      const service = manifests.find(({ kind, metadata }) => kind === 'Service' && metadata.name.endsWith('-webhook'));
      const serving = deployments(
        manifests.map((manifest) => ({
          ...manifest,
          metadata: { ...manifest.metadata, name: manifest.metadata.name.replace(/^other-/, '') },
        })),
      ).filter(({ spec }) => spec?.template.metadata.labels['beskar7.io/webhook'] === 'served');
      expect(serving).toHaveLength(1);
      const [container] = serving[0]?.spec?.template.spec.containers ?? [];
      expect(container?.args).toContain(`--webhook-service=elsewhere/${service?.metadata.name}`);
      expect(container?.ports.map(({ name }) => name)).toContain('webhook');
    }
  });

  test('the Service of the web page finds the processes that serve it; without it nothing of it is there', async () => {
    for (const separateRoles of ['false', 'true']) {
      const manifests = await render({ separateRoles, 'web.tlsSecret': 'page' });
      const service = manifests.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'beskar7-web');
      expect(service).toBeDefined();
      const serving = deployments(manifests).filter(
        ({ spec }) => spec?.template.metadata.labels['beskar7.io/web'] === 'served',
      );
      expect(serving.map(({ metadata }) => metadata.name)).toEqual([
        separateRoles === 'true' ? 'beskar7-web' : 'beskar7',
      ]);
      const [container] = serving[0]?.spec?.template.spec.containers ?? [];
      expect(container?.args).toEqual(
        expect.arrayContaining(['--web-bind-address=0.0.0.0:8090', '--web-tls-cert-dir=/web']),
      );
      expect(container?.ports.map(({ name }) => name)).toContain('web');
      const without = await render({ separateRoles, 'web.enabled': 'false' });
      const words = JSON.stringify(without).match(/--web-bind|beskar7-web"|8090|"beskar7\.io\/web"/);
      expect(words).toBeNull();
    }
  });

  test('the API key of Temporal comes from its Secret, as a file that is renewed; the page can have one of its own', async () => {
    const secrets = { 'temporal.apiKeySecret.name': 'writer', 'temporal.apiKeySecret.webName': 'reader' };
    const made = deployments(await render({ ...secrets, 'web.enabled': 'true' }));
    // It does not speak to Temporal.
    const isWebhook = ({ metadata }: Manifest) => metadata.name === 'beskar7-webhook';
    expect(JSON.stringify(made.filter(isWebhook))).not.toMatch(/writer|reader|api-key/);
    for (const { metadata, spec } of made.filter((one) => !isWebhook(one))) {
      const { containers, volumes } = spec?.template.spec ?? {};
      expect(containers?.[0]?.args).toContain('--temporal-api-key-file=/temporal/api-key/apiKey');
      const mount = { name: 'temporal-api-key', mountPath: '/temporal/api-key', readOnly: true };
      expect(containers?.[0]?.volumeMounts).toContainEqual(mount);
      const own = volumes?.find(({ name }) => name === mount.name)?.secret;
      expect(own).toMatchObject({ secretName: metadata.name === 'beskar7-web' ? 'reader' : 'writer' });
    }
    expect(JSON.stringify(made)).not.toContain('TEMPORAL_API_KEY');
  });
});
