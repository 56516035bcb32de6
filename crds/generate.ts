import { readFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { customResourceDefinition } from './definition.ts';
import { KINDS } from './kinds.ts';
import { GROUP } from './names.ts';

const FOLDER = path.join(import.meta.dirname, 'generated');

/** The generated files: name under `crds/generated` and content. */
export function generatedFiles(): { name: string; content: string }[] {
  return KINDS.map((kind) => ({
    name: `${GROUP}_${kind.plural}.yaml`,
    content:
      '# Generated from the schemas in crds/ by `npm run generate`. Do not edit.\n' +
      stringify(customResourceDefinition(kind), { lineWidth: 0, aliasDuplicateObjects: false }),
  }));
}

/** Names of generated files that differ from what the schemas say; empty when all are fresh. */
export async function staleFiles(): Promise<string[]> {
  const stale: string[] = [];
  for (const { name, content } of generatedFiles()) {
    const current = await readFile(path.join(FOLDER, name), 'utf8').catch(() => undefined);
    if (current !== content) stale.push(name);
  }
  return stale;
}

/** Writes all generated files. */
export async function generate(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const { name, content } of generatedFiles()) await writeFile(path.join(FOLDER, name), content);
}
