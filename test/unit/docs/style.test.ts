import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const COLUMNS = 120;
const LINES = 300;

/** Folders of the product: what is no test, no tool and no page of the docs. */
const PRODUCT =
  /^(activities|api|cli|codec|contracts|controllers|crds|http|inspector|kube|model|redfish|simulator|untrusted|view|web|webhooks|workers|workflows)\//;

// Files that are new and not yet added count, too: what is written is checked before it is committed.
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '');
const linesOf = (file: string) => readFileSync(path.join(ROOT, file), 'utf8').split('\n');
const isCode = (file: string) =>
  /\.(ts|tsx|mjs|cjs)$/.test(file) && !file.startsWith('test/replay/histories/') && !file.includes('/fixtures/');

/** Prose of a page: no table, no code, no line that holds one long word such as a link. */
function proseOf(lines: readonly string[]): { line: string; number: number }[] {
  let isFenced = false;
  return lines.flatMap((line, index) => {
    if (/^\s*(```|~~~)/.test(line)) isFenced = !isFenced;
    const isProse = !isFenced && !/^\s*([|#<]|\[[^\]]+\]:)/.test(line) && !/^ {4}/.test(line);
    return isProse ? [{ line, number: index + 1 }] : [];
  });
}

test('comments wrap at 120 columns', () => {
  const long = files.filter(isCode).flatMap((file) =>
    linesOf(file).flatMap((line, index) => {
      const isComment = /^\s*(\/\/|\/\*\*?|\*)\s/.test(line);
      return isComment && line.length > COLUMNS && /\s/.test(line.trim().slice(8)) ? [`${file}:${index + 1}`] : [];
    }),
  );
  expect(long).toEqual([]);
});

test('prose in Markdown has at most 120 columns', () => {
  // docs/reference.md is made from the schemas, docs/spec/ is not ours.
  const pages = files.filter((file) => file.endsWith('.md') && !/^docs\/(spec\/|reference\.md)/.test(file));
  expect(pages.length).toBeGreaterThan(20);
  const long = pages.flatMap((file) =>
    proseOf(linesOf(file))
      // Code and links are not broken in two: a line of one of them may be longer.
      .filter(({ line }) => line.replace(/`[^`]*`|\[[^\]]*\]\([^)]*\)/g, '').length > COLUMNS)
      .map(({ number }) => `${file}:${number}`),
  );
  expect(long).toEqual([]);
});

test('a file of the product has at most 300 lines', () => {
  const long = files
    .filter((file) => PRODUCT.test(file) && isCode(file))
    .filter((file) => linesOf(file).length - 1 > LINES)
    .sort();
  expect(long).toEqual([]);
});

/** An export at the start of a line that names something: `export { … }` and `export * from` do not. */
const EXPORTED = /^export (?:default )?(?:async )?(?:abstract )?(?:function\*?|class|interface|type|const|enum) (\w+)/;
/** What may stand between a docstring and its symbol: a comment for ESLint, a decorator. */
const BETWEEN = /^\s*(\/\/ eslint|@)/;

test('every exported symbol of the product has a docstring', () => {
  const exported = files
    .filter((file) => PRODUCT.test(file) && /\.tsx?$/.test(file))
    .flatMap((file) => {
      const lines = linesOf(file);
      return lines.flatMap((line, index) => {
        const name = EXPORTED.exec(line)?.[1];
        if (name === undefined) return [];
        const above = lines.slice(0, index).findLast((other) => !BETWEEN.test(other)) ?? '';
        return [{ at: `${file}:${index + 1}: ${name}`, isDocumented: above.trimEnd().endsWith('*/') }];
      });
    });
  expect(exported.length).toBeGreaterThan(1000);
  expect(exported.filter(({ isDocumented }) => !isDocumented).map(({ at }) => at)).toEqual([]);
});

test('nothing is patched: there is no released version to be compatible with', () => {
  const patched = files
    .filter((file) => PRODUCT.test(file) && isCode(file))
    .filter((file) => linesOf(file).some((line) => /\b(patched|deprecatePatch)\(/.test(line)));
  expect(patched).toEqual([]);
});

/**
 * Phrases that stood between the reader and the thought, and have plain words instead: again, power-off confirmed,
 * force-release, without, over HTTPS, continues as new.
 */
const DIALECT =
  /\banew\b|\bseen off\b|\bword to force\b|\bfor want of\b|\bby HTTPS\b|\bgo(?:es)? on in a fresh history\b/i;
/** Files that still have one: none is to be added. */
const STILL: readonly string[] = [
  'activities/bmc/bmcConnection.ts',
  'activities/claim/claimHost.ts',
  'activities/enroll/enrolledStatus.ts',
  'activities/failures.ts',
  'activities/monitor/pollHost.ts',
  'activities/release/deprovision.ts',
  'activities/release/orphan.ts',
  'activities/release/releaseHost.ts',
  'activities/release/retireHost.ts',
  'workflows/boot.ts',
  'workflows/proxies.ts',
  'workflows/releaseHost.ts',
];

test('code and pages speak the plain terms of the field', () => {
  const found = files
    .filter((file) => (PRODUCT.test(file) && isCode(file)) || /^(docs\/(?!spec\/).*|[A-Z]+)\.md$/.test(file))
    .filter((file) => !STILL.includes(file))
    .flatMap((file) =>
      linesOf(file)
        // Titles of tests that a page names stay as the tests are called.
        .map((line) => (file.endsWith('.md') ? line.replace(/› [^|]*/g, '') : line))
        .flatMap((line, index) => (DIALECT.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});
