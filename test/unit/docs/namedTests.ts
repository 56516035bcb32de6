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

/**
 * Why a cell names no test that exists and runs; undefined when it does. A test, or a group of tests, is named by the
 * title that stands in its file.
 */
export function problem(cell: string): string | undefined {
  const [, file = '', title = ''] = /^`(test\/[^`]+\.test\.ts)` › (.+)$/.exec(cell) ?? [];
  if (file === '' || title === '') return `"${cell}" is not of the form: file › test name`;
  if (!existsSync(path.join(ROOT, file))) return `${file} does not exist`;
  const why = problemIn(readFileSync(path.join(ROOT, file), 'utf8'), title);
  return why && `${file} ${why}`;
}

/** The same for the text of a test file. */
export function problemIn(text: string, title: string): string | undefined {
  // A long title stands on a line of its own, after the parenthesis.
  const escaped = title.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const at = text.search(new RegExp(`\\(\\s*(['"\`])${escaped}\\1,`));
  if (at < 0) return `has no test "${title}"`;
  // Formatted as it is, a test or a group begins its line. One that is left out where a tool is missing
  // (`testWithShell`, `(has('zsh') ? test : …)`) counts.
  const calls = text
    .slice(0, at + 1)
    .matchAll(/^ *(?:\([^\n]*\btest\b|x?it\b|[a-z]*(?:[tT]est|[dD]escribe)\w*)[.\w]*/gm);
  const call = [...calls].at(-1)?.[0].trim() ?? '';
  if (call === '') return `has "${title}" outside of a test`;
  if (/^x|^[^(]*\.(skip|todo|failing)\b/.test(call)) return `leaves "${title}" out: ${call}`;
  const left = /^ *(?:xdescribe|describe\.(?:\w+\.)*(?:skip|todo))\b/m.exec(text)?.[0].trim();
  return left && `leaves out tests: ${left}`;
}
