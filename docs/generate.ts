import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { openApiDocument } from '../api/contract/openapi.ts';
import { KINDS } from '../crds/kinds.ts';
import { flagTable, listenerTable, roleTable, timeTable } from './flagTable.ts';
import { kindSection } from './kindReference.ts';

const ROOT = path.join(import.meta.dirname, '..');
const CONFIGURATION = 'docs/configuration.md';

/** A page that is made from the code: path from the project's root, and content. */
export interface GeneratedDoc {
  readonly path: string;
  readonly content: string;
}

/**
 * The pages that are made from the schemas in `crds/` and `api/contract/` and the flags in `workers/flags.ts`; a test
 * fails when one is stale.
 */
export function generatedDocs(): GeneratedDoc[] {
  return [
    { path: 'docs/reference.md', content: referencePage() },
    { path: 'docs/flags.md', content: flagPage() },
    { path: CONFIGURATION, content: configurationPage() },
    { path: 'docs/openapi.yaml', content: openApiPage() },
  ];
}

/** Paths of the pages that differ from what the code says. */
export async function staleDocs(): Promise<string[]> {
  const stale: string[] = [];
  for (const { path: file, content } of generatedDocs()) {
    const current = await readFile(path.join(ROOT, file), 'utf8').catch(() => undefined);
    if (current !== content) stale.push(file);
  }
  return stale;
}

/** Writes all generated pages. */
export async function generateDocs(): Promise<void> {
  for (const { path: file, content } of generatedDocs()) {
    await mkdir(path.dirname(path.join(ROOT, file)), { recursive: true });
    await writeFile(path.join(ROOT, file), content);
  }
}

function openApiPage(): string {
  return (
    '# The callback API. Generated from `api/contract/` by `npm run generate`. Do not edit.\n' +
    stringify(openApiDocument(), { lineWidth: 0, aliasDuplicateObjects: false })
  );
}

function referencePage(): string {
  return [
    '# The kinds: reference',
    '',
    'Generated from the schemas in `crds/` by `npm run generate`. Do not edit. Conditions have the shape of metav1.Condition: their reasons are in',
    '[troubleshooting.md](troubleshooting.md). Labels and annotations are in [operating.md](operating.md).',
    '',
    KINDS.map(kindSection).join('\n\n'),
    '',
  ].join('\n');
}

function flagPage(): string {
  return [
    '# Flags of the Beskar7 process',
    '',
    'Generated from `workers/flags.ts` by `npm run generate`. Do not edit. How to use them: [configuration.md](configuration.md).',
    '',
    flagTable(),
    '',
  ].join('\n');
}

/** Its prose is written by hand, its tables are made. */
function configurationPage(): string {
  const tables = {
    'workers/roles/': roleTable(),
    'workers/flags.ts, listeners': listenerTable(),
    'workers/flags.ts, times': timeTable(),
  };
  const page = readFileSync(path.join(ROOT, CONFIGURATION), 'utf8');
  return Object.entries(tables).reduce((text, [name, table]) => withTable(text, name, table), page);
}

/** Throws when the page has no such place. */
function withTable(page: string, name: string, table: string): string {
  const begin = `<!-- generated from ${name} -->\n`;
  const end = '<!-- end -->';
  const from = page.indexOf(begin) + begin.length;
  const to = page.indexOf(end, from);
  if (from < begin.length || to < 0) throw new Error(`${CONFIGURATION} has no table "${begin.trim()}" … "${end}"`);
  return `${page.slice(0, from)}\n${table}\n\n${page.slice(to)}`;
}
