import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(__dirname, '..', '..', '..');

/** The rows of tables in a text whose last cell names a test; header rows are left out. */
export function tableRows(text: string): { row: string; cell: string }[] {
  const lines = text.split('\n');
  return lines
    .filter((line, index) => line.startsWith('| ') && !(lines[index + 1] ?? '').startsWith('|---'))
    .map((line) => ({ row: line, cell: line.split('|').at(-2)?.trim() ?? '' }));
}

/** Why a cell names no test that exists; undefined when it does. A test is named by the title that stands in its file. */
export function problem(cell: string): string | undefined {
  const [, file = '', title = ''] = /^`(test\/[^`]+\.test\.ts)` › (.+)$/.exec(cell) ?? [];
  if (file === '' || title === '') return `"${cell}" is not of the form: file › test name`;
  if (!existsSync(path.join(ROOT, file))) return `${file} does not exist`;
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const isThere = ["'", '"', '`'].some((quote) => text.includes(`(${quote}${title}${quote},`));
  return isThere ? undefined : `${file} has no test "${title}"`;
}
