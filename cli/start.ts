import { ioOf } from './io.ts';
import { main } from './main.ts';

/** Runs the plugin as this process: arguments, streams and exit code are the process's own. */
export async function start(): Promise<void> {
  // The reader of a pipe may go away (`| head`): that is no error.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const code = await main(process.argv.slice(2), ioOf(process));
  // What was written goes out first; connections that are still closing are not waited for.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}
