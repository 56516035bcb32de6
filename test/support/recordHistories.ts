import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from '@temporalio/client';

/** Names the folder into which end-to-end tests write the histories of their runs, for the replay tests. */
const FOLDER = 'BESKAR7_RECORD_HISTORIES';

/** Writes the histories of the closed runs of a namespace as the temporal command line shows them, where the environment asks for it. */
export async function recordHistories(
  client: Client,
  namespace: string,
  temporalCli: (...args: string[]) => Promise<string>,
): Promise<void> {
  const folder = process.env[FOLDER];
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  const query = `Beskar7Namespace = "${namespace}" AND ExecutionStatus != "Running"`;
  for await (const run of client.workflow.list({ query })) {
    const history = await temporalCli('workflow', 'show', '-w', run.workflowId, '-r', run.runId, '-o', 'json');
    const name = `${run.workflowId.replaceAll('/', '_')}-${run.status.name.toLowerCase()}-${run.runId.slice(-4)}.json`;
    await writeFile(path.join(folder, name), JSON.stringify(JSON.parse(history)));
  }
}
