import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from '@temporalio/client';

/** Names the folder into which end-to-end tests write the histories of their runs, for the replay tests. */
export const RECORD_FOLDER = 'BESKAR7_RECORD_HISTORIES';

/** Of no use to a replay, and of nobody’s interest later: processes, ids of requests, where the code was. */
const LEFT_OUT = new Set(['identity', 'meteringMetadata', 'requestId', 'stackTrace', 'taskId', 'workerVersion']);

/**
 * Runs without `Beskar7Namespace`: monitors are of no namespace, and a release that another run began is not given it.
 */
const WITHOUT_NAMESPACE = ['monitorHosts', 'releaseHost'];

/**
 * Writes the histories of the closed runs of a namespace, and of the closed monitors, as the temporal command line
 * shows them, where the environment asks for it.
 */
export async function recordHistories(
  client: Client,
  namespace: string,
  temporalCli: (...args: string[]) => Promise<string>,
): Promise<void> {
  const folder = process.env[RECORD_FOLDER];
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  const types = WITHOUT_NAMESPACE.map((type) => `"${type}"`).join(', ');
  const query = `(Beskar7Namespace = "${namespace}" OR WorkflowType IN (${types})) AND ExecutionStatus != "Running"`;
  for await (const run of client.workflow.list({ query })) {
    if (run.type === 'releaseHost' && !run.workflowId.startsWith(`release/${namespace}/`)) continue;
    const history = await temporalCli('workflow', 'show', '-w', run.workflowId, '-r', run.runId, '-o', 'json');
    const status = run.status.name.toLowerCase().replaceAll('_', '');
    const name = `${run.workflowId.replaceAll('/', '_')}-${status}-${run.runId.slice(-4)}.json`;
    const kept = JSON.parse(history, (key, value: unknown) => (LEFT_OUT.has(key) ? undefined : value)) as unknown;
    await writeFile(path.join(folder, name), JSON.stringify(kept));
  }
}
