import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { workflowBundleOptions } from './workflowBundle.ts';

/**
 * `node workers/bundle.ts [--traced] FILE` writes the workflow bundle that a worker takes instead of making its own
 * when BESKAR7_WORKFLOW_BUNDLE names it (the container image does so: a pod starts some seconds sooner and needs no
 * writable folder). `--traced`: with the interceptors of OpenTelemetry, which cost time and memory in every workflow
 * and are therefore in a bundle of their own.
 */
const isTraced = process.argv.includes('--traced');
const [file] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
if (file === undefined) {
  process.stderr.write('bundle: name the file to write, for example: node workers/bundle.ts dist/workflow-bundle.js\n');
  process.exit(2);
}
const { code } = await bundleWorkflowCode(workflowBundleOptions(isTraced));
await mkdir(path.dirname(path.resolve(file)), { recursive: true });
await writeFile(file, code);
process.stdout.write(`${file}: ${Math.round(code.length / 1024)} KiB\n`);
