import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { workflowBundleOptions } from '../../../workers/workflowBundle.ts';

/**
 * `node test/workflow/setup/bundle.ts FILE` writes the workflow code of today, with what the tests of workflows put
 * into it.
 */
const [file = ''] = process.argv.slice(2);
const { code } = await bundleWorkflowCode({
  ...workflowBundleOptions(),
  failureConverterPath: path.join(import.meta.dirname, '..', 'nobodyTookIt.cjs'),
  logger: new DefaultLogger('ERROR', () => undefined),
});
await writeFile(file, code);
