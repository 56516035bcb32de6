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
const PLACES = { 'temporal.address': 'temporal-frontend.temporal.svc:7233', 'callback.url': 'https://10.0.0.1:8082' };

export const PLAIN_MANIFESTS = ['all-in-one', 'separate-roles'] as const;
export type PlainManifest = (typeof PLAIN_MANIFESTS)[number];

/** The account that has the rights of every role; the accounts of single roles are in deploy/manifests/rbac.yaml. */
export const ALL_ROLES_ACCOUNT = 'deploy/manifests/all-in-one/account.yaml';
const ACCOUNT_KINDS = ['ServiceAccount', 'ClusterRoleBinding', 'RoleBinding'];

/** Where a plain manifest lies, from the project's root. */
export function plainManifestPath(name: PlainManifest): string {
  return `deploy/manifests/${name}/beskar7.yaml`;
}

/** The processes and what is around them, as the chart makes them with its defaults; for people without helm. */
export async function plainManifest(helm: string, name: PlainManifest): Promise<string> {
  const documents = (await rendered(helm, name)).filter((document) => !ELSEWHERE.includes(kindOf(document)));
  return manifestText(
    [
      `# Beskar7, ${name === 'all-in-one' ? 'every role in one process' : 'one Deployment for each role'}. Made from deploy/helm by \`npm run release\`. Do not edit.`,
      '# Give --temporal-address and --callback-url your own values. Apply after crds/generated and deploy/manifests.',
    ],
    documents,
  );
}

/** The account of a process with every role, bound to the rights of each. */
export async function allRolesAccount(helm: string): Promise<string> {
  const documents = (await rendered(helm, 'all-in-one')).filter((document) => ACCOUNT_KINDS.includes(kindOf(document)));
  const words = '# The account of a process with every role. Made from deploy/helm by `npm run release`. Do not edit.';
  return manifestText([words], documents);
}

function rendered(helm: string, name: PlainManifest): Promise<string[]> {
  return renderChart(helm, { set: { ...PLACES, separateRoles: String(name === 'separate-roles') } });
}

function manifestText(header: readonly string[], documents: readonly string[]): string {
  return `${header.join('\n')}\n${documents.map((text) => text.replace(/^ +app\.kubernetes\.io\/managed-by: Helm\n/gm, '')).join('---\n')}`;
}

/** Each file of the plain manifests, from the project's root, with what belongs into it. */
async function plainFiles(helm: string): Promise<Map<string, string>> {
  const files = new Map([[ALL_ROLES_ACCOUNT, await allRolesAccount(helm)]]);
  for (const name of PLAIN_MANIFESTS) files.set(plainManifestPath(name), await plainManifest(helm, name));
  return files;
}

/** Writes the plain manifests into the project. */
export async function writePlainManifests(helm: string): Promise<void> {
  for (const [name, content] of await plainFiles(helm)) {
    const file = path.join(ROOT, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

/** Paths of plain manifests that are not what the chart says. */
export async function stalePlainManifests(helm: string): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, content] of await plainFiles(helm)) {
    const current = await readFile(path.join(ROOT, name), 'utf8').catch(() => undefined);
    if (current !== content) stale.push(name);
  }
  return stale;
}
