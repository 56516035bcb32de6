import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { kindOf, renderChart } from './chart.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

/** What `crds/generated` and `deploy/manifests` have already. */
const ELSEWHERE = [
  'CustomResourceDefinition',
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
];
/** Places that a user fills in. */
const PLACES = { 'temporal.address': 'temporal-frontend.temporal.svc:7233', 'callback.url': 'http://10.0.0.1:8082' };

export const PLAIN_MANIFESTS = ['all-in-one', 'separate-roles'] as const;
export type PlainManifest = (typeof PLAIN_MANIFESTS)[number];

/** Where a plain manifest lies, from the project's root. */
export function plainManifestPath(name: PlainManifest): string {
  return `deploy/manifests/${name}/beskar7.yaml`;
}

/** The processes and what is around them, as the chart makes them with its defaults; for people without helm. */
export async function plainManifest(helm: string, name: PlainManifest): Promise<string> {
  const set = { ...PLACES, ...(name === 'separate-roles' ? { separateRoles: 'true' } : {}) };
  const documents = (await renderChart(helm, { set })).filter((document) => !ELSEWHERE.includes(kindOf(document)));
  const header = [
    `# Beskar7, ${name === 'all-in-one' ? 'every role in one process' : 'one Deployment for each role'}. Made from deploy/helm by \`npm run release\`. Do not edit.`,
    '# Give --temporal-address and --callback-url your own values. Apply after crds/generated and deploy/manifests.',
  ];
  return `${header.join('\n')}\n${documents.map((text) => text.replace(/^ +app\.kubernetes\.io\/managed-by: Helm\n/gm, '')).join('---\n')}`;
}

/** Writes the plain manifests into the project. */
export async function writePlainManifests(helm: string): Promise<void> {
  for (const name of PLAIN_MANIFESTS) {
    const file = path.join(ROOT, plainManifestPath(name));
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, await plainManifest(helm, name));
  }
}

/** Paths of plain manifests that are not what the chart says. */
export async function stalePlainManifests(helm: string): Promise<string[]> {
  const stale: string[] = [];
  for (const name of PLAIN_MANIFESTS) {
    const current = await readFile(path.join(ROOT, plainManifestPath(name)), 'utf8').catch(() => undefined);
    if (current !== (await plainManifest(helm, name))) stale.push(plainManifestPath(name));
  }
  return stale;
}
