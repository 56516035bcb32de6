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
import { WORKFLOW_INTERCEPTORS } from '../../workers/tracing/workflowInterceptors.ts';

jest.setTimeout(120_000);

const HISTORIES = path.join(import.meta.dirname, 'histories');
const recorded = readdirSync(HISTORIES).flatMap((version) =>
  readdirSync(path.join(HISTORIES, version)).map((file) => [version, file] as const),
);
let bundle: WorkflowBundleWithSourceMap;
/** With the interceptors for traces. */
let traced: WorkflowBundleWithSourceMap;
let changed: WorkflowBundleWithSourceMap;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const logger = new DefaultLogger('ERROR');
  const workflowsPath = path.join(import.meta.dirname, '../../workflows/index.ts');
  bundle = await bundleWorkflowCode({ workflowsPath, logger });
  const workflowInterceptorModules = [WORKFLOW_INTERCEPTORS];
  traced = await bundleWorkflowCode({ workflowsPath, workflowInterceptorModules, logger });
  changed = await bundleWorkflowCode({ workflowsPath: path.join(import.meta.dirname, 'fixtures/changed.ts'), logger });
});

const replay = async (workflowBundle: WorkflowBundleWithSourceMap, version: string, file: string) => {
  const history: unknown = JSON.parse(readFileSync(path.join(HISTORIES, version, file), 'utf8'));
  // The id as it was: workflow code reads it.
  const workflowId = file.replace(/-[a-z]+-[0-9a-f]{4}\.json$/, '').replaceAll('_', '/');
  // A replay exports nothing; the sink has to be there all the same.
  const sinks = { exporter: { export: { fn: () => undefined, callDuringReplay: false } } };
  await Worker.runReplayHistory({ workflowBundle, sinks }, history, workflowId);
};

describe('runs of released versions go on with the code of today', () => {
  test('there are histories of every kind of run', () => {
    for (const kind of ['provision', 'deprovision', 'enroll', 'retire']) {
      expect(recorded.some(([, file]) => file.startsWith(`${kind}_`))).toBe(true);
    }
  });

  test.each(recorded)('%s %s', (version, file) => replay(bundle, version, file));

  test.each(recorded)('%s %s, with traces switched on since', (version, file) => replay(traced, version, file));
});

test('a changed workflow is found out', async () => {
  const [version, file] = recorded.find(
    ([, name]) => name.startsWith('provision_') && name.includes('-completed-'),
  ) ?? ['', ''];
  await expect(replay(changed, version, file)).rejects.toThrow(DeterminismViolationError);
});
