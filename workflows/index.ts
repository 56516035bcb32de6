import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';

/** What the worker bundles: every workflow, by the name under which it is started. */
export { deprovisionMachine } from './deprovisionMachine.ts';
export { enrollHost } from './enrollHost.ts';
export { monitorHosts } from './monitorHosts.ts';
export { provisionMachine } from './provisionMachine.ts';
export { releaseHost } from './releaseHost.ts';
export { retireHost } from './retireHost.ts';

/** Runs of any other type, started by hand: they fail, where the SDK would repeat their first task for ever. */
export default function unknownWorkflow(): Promise<never> {
  const { workflowType } = workflowInfo();
  throw ApplicationFailure.create({
    type: 'InvalidInput',
    nonRetryable: true,
    message: `Beskar7 has no workflow of type ${workflowType.slice(0, 100)}. Nothing was done.`,
  });
}
