import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { generatedFiles } from '../../crds/generate.ts';
import { namedFlags } from '../../workers/flags.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const CHART = 'deploy/helm';
/** Admission policies, in deploy/manifests; the chart's admission.yaml includes each. */
const POLICIES = ['templates.yaml', 'claims.yaml', 'accounts.yaml'] as const;
const HEADER = '# Copied by `npm run generate`. Do not edit: edit';

interface GeneratedFile {
  /** From the project's root. */
  readonly path: string;
  readonly content: string;
}

/**
 * What the chart cannot read from outside its folder: kinds, rights and the admission policies are copied into
 * `files/`, and the schema of the values is made from their defaults and the flags of the process.
 */
export async function generatedChartFiles(): Promise<GeneratedFile[]> {
  const rbac = await readFile(path.join(ROOT, 'deploy/manifests/rbac.yaml'), 'utf8');
  const policies = await Promise.all(POLICIES.map((name) => copied(`deploy/manifests/${name}`, name)));
  const values = parse(await readFile(path.join(ROOT, CHART, 'values.yaml'), 'utf8')) as Record<string, unknown>;
  return [
    ...generatedFiles().map(({ name, content }) => ({ path: `${CHART}/files/crds/${name}`, content })),
    { path: `${CHART}/files/rbac.yaml`, content: `${HEADER} deploy/manifests/rbac.yaml.\n${rightsOf(rbac)}` },
    ...policies,
    { path: `${CHART}/values.schema.json`, content: `${JSON.stringify(valuesSchema(values), undefined, 2)}\n` },
  ];
}

async function copied(from: string, name: string): Promise<GeneratedFile> {
  const text = await readFile(path.join(ROOT, from), 'utf8');
  return { path: `${CHART}/files/${name}`, content: `${HEADER} ${from}.\n${text}` };
}

/** Paths of the chart's files that differ from their sources. */
export async function staleChartFiles(): Promise<string[]> {
  const wanted = await generatedChartFiles();
  const stale: string[] = [];
  for (const { path: file, content } of wanted) {
    const current = await readFile(path.join(ROOT, file), 'utf8').catch(() => undefined);
    if (current !== content) stale.push(file);
  }
  const known = new Set(wanted.map(({ path: file }) => path.basename(file)));
  const present = await readdir(path.join(ROOT, CHART, 'files', 'crds')).catch(() => []);
  return [...stale, ...present.filter((name) => !known.has(name)).map((name) => `${CHART}/files/crds/${name}`)];
}

/** Writes them all. */
export async function generateChartFiles(): Promise<void> {
  for (const { path: file, content } of await generatedChartFiles()) {
    await mkdir(path.dirname(path.join(ROOT, file)), { recursive: true });
    await writeFile(path.join(ROOT, file), content);
  }
}

/** The documents about rights, with their comments; namespace and account are the chart's own. */
function rightsOf(rbac: string): string {
  return rbac
    .split(/^---\n/m)
    .filter((document) => !/^kind: (Namespace|ServiceAccount)$/m.test(document))
    .join('---\n');
}

/** Filled in by the user, with keys that are not known here. */
const OPEN = new Set(['annotations', 'labels', 'nodeSelector', 'podAnnotations', 'podLabels', 'resources']);
/** Has values of its own (charts/temporal). */
const SUBCHARTS = new Set(['temporalServer', 'global']);

/**
 * JSON Schema that takes the shape of the defaults and refuses unknown keys: a misspelt value is an error, not a
 * surprise.
 */
function valuesSchema(values: Record<string, unknown>): object {
  const { properties, ...schema } = schemaOf('', values) as { properties: object };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...schema,
    properties: { ...properties, flags: flagSchema(), global: { type: 'object' } },
  };
}

/** Flags by name, without the dashes: one that does not exist, or takes no such value, is refused by helm. */
function flagSchema(): object {
  const properties = Object.fromEntries(
    namedFlags().map(({ name, meaning, value: { schema } }) => [name.slice(2), { description: meaning, ...schema }]),
  );
  return { type: 'object', additionalProperties: false, properties };
}

function schemaOf(key: string, value: unknown): object {
  if (Array.isArray(value)) return { type: 'array' };
  if (typeof value === 'object' && value !== null) {
    if (OPEN.has(key) || SUBCHARTS.has(key)) return { type: 'object' };
    const properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, schemaOf(name, inner)]));
    return { type: 'object', additionalProperties: false, properties };
  }
  // A count may be a variable of clusterctl, a budget a percentage.
  if (typeof value === 'number') return { type: ['integer', 'string'] };
  return { type: typeof value };
}
