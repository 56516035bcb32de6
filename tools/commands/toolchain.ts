import { ensureTools, TOOL_NAMES, ToolMissing } from '../toolchain/index.ts';

try {
  const paths = await ensureTools(TOOL_NAMES);
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(paths, undefined, 2)}\n`);
  else for (const [name, file] of Object.entries(paths)) process.stdout.write(`${name.padEnd(22)} ${file}\n`);
} catch (error) {
  if (!(error instanceof ToolMissing)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
