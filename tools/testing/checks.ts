import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { staleFiles } from '../../crds/generate.ts';
import { staleDocs } from '../../docs/generate.ts';
import { staleMonitoringFiles } from '../monitoring/files.ts';
import { staleChartFiles } from '../release/chartFiles.ts';
import type { ProcessGroups } from './process.ts';

/** What came of a check. */
export interface CheckResult {
  readonly isGood: boolean;
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
  readonly output: string;
}

export interface Check {
  readonly name: string;
  /** Expected, on a core of today. */
  readonly seconds: number;
  run(): Promise<CheckResult>;
}

/** Folders with sources of ours: of these the import rules are checked. */
const SOURCES = [
  ...[
    'activities',
    'api',
    'bench',
    'cli',
    'codec',
    'contracts',
    'controllers',
    'crds',
    'docs',
    'http',
    'inspector',
    'kube',
    'model',
    'redfish',
    'simulator',
  ],
  ...['test', 'tools', 'untrusted', 'view', 'web', 'webhooks', 'workers', 'workflows'],
];
const LIMIT_MS = 15 * 60_000;

/**
 * What is checked beside the tests. `files` (relative to the root): of formatting and lint only these. Kept between
 * runs is only what stays true by itself: prettier's verdict on a content, and what tsc knows of files whose content is
 * the same. ESLint's is not kept: its rules look at types, so that a file may turn bad by a change in another one.
 */
export function checks(root: string, groups: ProcessGroups, files: readonly string[] = ['.']): Check[] {
  const cache = path.join(root, 'node_modules', '.cache', 'beskar7');
  mkdirSync(cache, { recursive: true });
  const program = (name: string, seconds: number, command: string, words: readonly string[]): Check => ({
    name,
    seconds,
    run: async () => {
      const file = path.join(root, 'node_modules', '.bin', command);
      const { code, ...ended } = await groups.run(file, words, { cwd: root, limitMs: LIMIT_MS });
      return { isGood: code === 0, seconds: ended.seconds, cpuSeconds: ended.cpuSeconds, output: ended.output };
    },
  });
  const types = (name: string, seconds: number, project: string, kept: string) => {
    const incremental = ['--incremental', '--tsBuildInfoFile', path.join(cache, `${kept}.tsbuildinfo`)];
    return program(name, seconds, 'tsc', ['--noEmit', '-p', project, ...incremental]);
  };
  const prettier = ['--cache', '--cache-strategy=content', `--cache-location=${path.join(cache, 'prettier')}`];
  const sources = SOURCES.filter((folder) => existsSync(path.join(root, folder)));
  const ofLint = files.filter((file) => file === '.' || /\.(ts|tsx|mjs|cjs)$/.test(file));
  return [
    program('formatting (fix it with: npm run format)', 15, 'prettier', [
      ...['--check', '--log-level=warn', '--ignore-unknown', ...prettier],
      ...files,
    ]),
    ...(ofLint.length === 0 ? [] : [program('lint', 60, 'eslint', ['--no-warn-ignored', ...ofLint])]),
    program('import rules', 20, 'depcruise', ['--config', '.dependency-cruiser.cjs', ...sources]),
    types('types', 20, '.', 'all'),
    types('types of the web page', 5, 'web/page', 'page'),
    types('types of its tests', 5, 'test/web', 'pageTests'),
    { name: 'generated files (fix it with: npm run generate)', seconds: 5, run: staleness },
  ];
}

async function staleness(): Promise<CheckResult> {
  const began = performance.now();
  const result = (isGood: boolean, output: string) => ({
    isGood,
    output,
    seconds: (performance.now() - began) / 1000,
    cpuSeconds: undefined,
  });
  try {
    const stale = [
      ...(await staleFiles()),
      ...(await staleDocs()),
      ...(await staleMonitoringFiles()),
      ...(await staleChartFiles()),
    ];
    return result(stale.length === 0, stale.length === 0 ? '' : `stale: ${stale.join(', ')}\n`);
  } catch (error) {
    return result(false, `${(error as Error).stack ?? String(error)}\n`);
  }
}
