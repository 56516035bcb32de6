import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type BundleOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { workflowBundleOptions } from '../../workers/workflowBundle.ts';
import { VERSION } from '../../workers/version.ts';
import { WORKFLOW_TYPES } from '../../contracts/names.ts';
import { kindOf, patchesOf, readHistory, stepsOf, workflowIdOf, type RecordedHistory } from './history.ts';
import { PATCHED_LINES, PATHS, takes, type Path } from './paths.ts';

jest.setTimeout(120_000);

const HISTORIES = path.join(import.meta.dirname, 'histories');
const WORKFLOWS = path.join(import.meta.dirname, '../../workflows');
const FIXTURES = path.join(import.meta.dirname, 'fixtures');

interface Recorded {
  readonly version: string;
  readonly file: string;
  readonly history: RecordedHistory;
}
const recorded: Recorded[] = readdirSync(HISTORIES).flatMap((version) =>
  readdirSync(path.join(HISTORIES, version)).map((file) => ({
    version,
    file,
    history: readHistory(path.join(HISTORIES, version, file)),
  })),
);
const each = recorded.map((one) => [one.version, one.file, one] as const);
const taking = (way: Path) =>
  recorded.filter(({ file, history }) => kindOf(file) === way.kind && takes(stepsOf(history), way));

/** Ids of `patched` and `deprecatePatch` in the workflow code. */
const patches = readdirSync(WORKFLOWS).flatMap((file) =>
  [...readFileSync(path.join(WORKFLOWS, file), 'utf8').matchAll(/\b(?:patched|deprecatePatch)\(\s*'([^']+)'/g)].map(
    ([, id = '']) => id,
  ),
);

const bundles = new Map<string, WorkflowBundleWithSourceMap>();
/** The code of today; with the interceptors for traces; with every patch taken or not; and that of fixtures. */
beforeAll(async () => {
  const logger = new DefaultLogger('ERROR');
  Runtime.install({ logger });
  const bundle = async (name: string, more: Partial<BundleOptions> = {}) =>
    bundles.set(name, await bundleWorkflowCode({ ...workflowBundleOptions(), logger, ...more }));
  await bundle('today');
  await bundle('traced', workflowBundleOptions(true));
  for (const name of ['patchesTaken', 'patchesNotTaken']) {
    const use = path.join(FIXTURES, `${name}.cjs`);
    const rule = { test: /\.ts$/, include: WORKFLOWS, enforce: 'pre' as const, use };
    await bundle(name, {
      webpackConfigHook: (config) => ({
        ...config,
        module: { ...config.module, rules: [...(config.module?.rules ?? []), rule] },
      }),
    });
  }
  for (const name of ['changed', 'guarded', 'unguarded'])
    await bundle(name, { workflowsPath: path.join(FIXTURES, `${name}.ts`) });
});

async function replay(code: string, { file, history }: Recorded): Promise<void> {
  const workflowBundle = bundles.get(code);
  if (!workflowBundle) throw new Error(`there is no bundle ${code}`);
  // A replay exports nothing; the sink has to be there all the same.
  const sinks = { exporter: { export: { fn: () => undefined, callDuringReplay: false } } };
  await Worker.runReplayHistory({ workflowBundle, sinks }, history, workflowIdOf(file));
}

const isFoundOut = (code: string, one: Recorded) =>
  expect(replay(code, one)).rejects.toThrow(DeterminismViolationError);

describe('runs of released versions go on with the code of today', () => {
  test.each(each)('%s %s', (_version, _file, one) => replay('today', one));

  test.each(each)('%s %s, with traces switched on since', (_version, _file, one) => replay('traced', one));
});

describe('the histories of this version', () => {
  test.each(Object.keys(WORKFLOW_TYPES))('there is one of the kind %s', (kind) => {
    expect(recorded.filter(({ version, file }) => version === VERSION && kindOf(file) === kind)).not.toEqual([]);
  });

  test.each(Object.entries(PATHS))('%s', (_what, way) => {
    expect(taking(way).filter(({ version }) => version === VERSION)).not.toEqual([]);
  });
});

describe('changes that are guarded with patched', () => {
  test('each is listed with the way that leads to it', () => {
    expect([...new Set(patches)].sort()).toEqual(Object.keys(PATCHED_LINES).sort());
  });

  const lines = Object.entries(PATCHED_LINES);
  // Jest refuses an empty table.
  for (const [id, way] of lines)
    describe(id, () => {
      const isMarked = ({ history }: Recorded) => patchesOf(history).includes(id);

      test('a run from before it goes on as it was, and would not without the guard', async () => {
        const before = taking(way).filter((one) => !isMarked(one));
        expect(before).not.toEqual([]);
        for (const one of before) {
          await replay('today', one);
          await isFoundOut('patchesTaken', one);
        }
      });

      test('a run with its marker goes the new way, and does not fit the code from before it', async () => {
        const since = taking(way).filter(isMarked);
        expect(since).not.toEqual([]);
        for (const one of since) {
          await replay('today', one);
          await isFoundOut('patchesNotTaken', one);
        }
      });
    });
});

describe('a changed workflow', () => {
  const provisionings = recorded.filter(({ file }) => kindOf(file) === 'provision');
  const others = recorded.filter(({ file }) => kindOf(file) !== 'provision');

  test('is found out', async () => {
    for (const one of provisionings.filter(({ file }) => file.includes('-completed-')))
      await isFoundOut('changed', one);
  });

  test('a step more behind patched fits every recorded run', async () => {
    for (const one of recorded) await replay('guarded', one);
  });

  test('the same step without patched is found out by every run that it is in, and by no other', async () => {
    for (const one of provisionings) await isFoundOut('unguarded', one);
    for (const one of others) await replay('unguarded', one);
  });
});
