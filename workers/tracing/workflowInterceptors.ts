import { createRequire } from 'node:module';

/** The module that the bundler takes for traces within workflows. */
export const WORKFLOW_INTERCEPTORS = createRequire(import.meta.url).resolve(
  '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors',
);
