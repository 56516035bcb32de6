import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** Names the workflow code that all test files of a run have in common. */
export const BUNDLE = 'BESKAR7_TEST_WORKFLOW_BUNDLE';

/**
 * Bundles the workflow code once for all files of the run: for each of them it would be seconds. In a process of its
 * own, which gives back its memory.
 */
export default async function globalSetup(): Promise<void> {
  const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'beskar7-workflows-')), 'workflows.js');
  const script = path.join(process.cwd(), 'test', 'workflow', 'setup', 'bundle.ts');
  await promisify(execFile)(process.execPath, [script, file], { timeout: 120_000 });
  process.env[BUNDLE] = file;
}
