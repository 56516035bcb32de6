import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { replayExport } from '../replay/index.ts';

const program = new Command('replay')
  .description('Replays the runs of a file of `kubectl beskar7 export` with the workflow code of this checkout.')
  .argument('<file>', 'as `kubectl beskar7 export` wrote it');
const [file = ''] = program.parse().args;

Runtime.install({ logger: new DefaultLogger('ERROR') });
try {
  for await (const { workflowId, runId, error } of replayExport(JSON.parse(readFileSync(file, 'utf8')))) {
    process.stdout.write(`${workflowId}, run ${runId}: ${error === undefined ? 'replays' : error.message}\n`);
    if (error !== undefined) process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${file}: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
