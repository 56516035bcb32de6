import { DataFolderInUse } from '../controlplane/dataFolder.ts';
import { PortInUse } from '../controlplane/ports.ts';
import { parseStartOptions, WrongUsage } from '../start/options.ts';
import { Session } from '../start/session.ts';
import { ToolMissing } from '../toolchain/index.ts';

/** `npm start` and `npm run up`. */
try {
  const options = parseStartOptions(process.argv.slice(2));
  if (options) process.exit(await new Session(options).run());
} catch (error) {
  const isPlain = [WrongUsage, PortInUse, DataFolderInUse, ToolMissing].some((kind) => error instanceof kind);
  if (!isPlain) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(2);
}
