import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { workflowBundleOptions } from '../../workers/workflowBundle.ts';

/** How a run of an export replayed; `error` absent: as it was recorded. */
export interface Replayed {
  readonly workflowId: string;
  readonly runId: string;
  readonly error?: Error;
}

/**
 * Replays each run of a file of `kubectl beskar7 export` with the workflow code of this checkout. Throws when it is no
 * such file.
 */
export async function* replayExport(content: unknown): AsyncGenerator<Replayed> {
  const { kind, version, runs } = (content ?? {}) as { kind?: unknown; version?: unknown; runs?: unknown };
  if (kind !== 'Beskar7Export' || version !== 1 || !Array.isArray(runs))
    throw new Error('this is no file of `kubectl beskar7 export` of version 1');
  const workflowBundle = await bundleWorkflowCode({ ...workflowBundleOptions(), logger: new DefaultLogger('ERROR') });
  for (const { workflowId, runId, history } of runs as { workflowId: string; runId: string; history: unknown }[]) {
    try {
      await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
      yield { workflowId, runId };
    } catch (error) {
      yield { workflowId, runId, error: error as Error };
    }
  }
}
