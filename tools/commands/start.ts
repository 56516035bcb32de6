import { StartFailed } from '../controlplane/component.ts';
import { DataFolderInUse } from '../controlplane/dataFolder.ts';
import { KubectlFailed } from '../controlplane/install.ts';
import { PortInUse } from '../controlplane/ports.ts';
import { parseStartOptions, WrongUsage } from '../start/options.ts';
import { Session } from '../start/session.ts';
import { ToolMissing } from '../toolchain/index.ts';

/**
 * `npm start` and `npm run up`. Exit code 2: it could not start with these flags; 1: it started, and something went
 * wrong.
 */
try {
  const options = parseStartOptions(process.argv.slice(2));
  if (options) process.exit(await new Session(options).run());
} catch (error) {
  const is = (...kinds: (new (...args: never[]) => Error)[]) => kinds.some((kind) => error instanceof kind);
  const isUsage = is(WrongUsage, PortInUse, DataFolderInUse, ToolMissing);
  if (!isUsage && !is(StartFailed, KubectlFailed)) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(isUsage ? 2 : 1);
}
