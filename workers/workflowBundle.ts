import path from 'node:path';
import type { BundleOptions } from '@temporalio/worker';
import { WORKFLOW_INTERCEPTORS } from './tracing/workflowInterceptors.ts';

const WORKFLOWS = path.join(import.meta.dirname, '..', 'workflows');

/**
 * What the workflow bundle is made of, wherever it is made: workers, tests, replay. `isTraced`: with the interceptors
 * of OpenTelemetry, behind ours, which leave them no header that they would throw at.
 */
export function workflowBundleOptions(isTraced = false): BundleOptions {
  return {
    workflowsPath: path.join(WORKFLOWS, 'index.ts'),
    payloadConverterPath: path.join(WORKFLOWS, 'payloadConverter.ts'),
    workflowInterceptorModules: [path.join(WORKFLOWS, 'interceptors.ts'), ...(isTraced ? [WORKFLOW_INTERCEPTORS] : [])],
  };
}
