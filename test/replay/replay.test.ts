import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';

jest.setTimeout(120_000);

const HISTORIES = path.join(import.meta.dirname, 'histories');
const recorded = readdirSync(HISTORIES).flatMap((version) =>
  readdirSync(path.join(HISTORIES, version)).map((file) => [version, file] as const),
);
let bundle: WorkflowBundleWithSourceMap;
let changed: WorkflowBundleWithSourceMap;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const logger = new DefaultLogger('ERROR');
  bundle = await bundleWorkflowCode({
    workflowsPath: path.join(import.meta.dirname, '../../workflows/index.ts'),
    logger,
  });
  changed = await bundleWorkflowCode({ workflowsPath: path.join(import.meta.dirname, 'fixtures/changed.ts'), logger });
});

const replay = async (workflowBundle: WorkflowBundleWithSourceMap, version: string, file: string) => {
  const history: unknown = JSON.parse(readFileSync(path.join(HISTORIES, version, file), 'utf8'));
  // The id as it was: workflow code reads it.
  const workflowId = file.replace(/-[a-z]+-[0-9a-f]{4}\.json$/, '').replaceAll('_', '/');
  await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
};

describe('runs of released versions go on with the code of today', () => {
  test('there are histories of every kind of run', () => {
    for (const kind of ['provision', 'deprovision', 'enroll', 'retire']) {
      expect(recorded.some(([, file]) => file.startsWith(`${kind}_`))).toBe(true);
    }
  });

  test.each(recorded)('%s %s', (version, file) => replay(bundle, version, file));
});

test('a changed workflow is found out', async () => {
  const [version, file] = recorded.find(
    ([, name]) => name.startsWith('provision_') && name.includes('-completed-'),
  ) ?? ['', ''];
  await expect(replay(changed, version, file)).rejects.toThrow(DeterminismViolationError);
});
