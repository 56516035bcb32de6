import { Command, CommanderError } from 'commander';
import { cacheFolder } from '../toolchain/cache.ts';
import { ensureTools, PINNED_TOOLS, TOOL_NAMES, ToolMissing, type ToolName } from '../toolchain/index.ts';

const program = new Command('npm run toolchain --')
  .description(
    'Gets the programs that Beskar7 needs: from a variable, PATH, the cache, a download, or built with Go.\n' +
      `Without a name: those of every set-up (${TOOL_NAMES.join(', ')}). Writes their paths.`,
  )
  .argument(
    '[tool...]',
    `some of them only; also ${PINNED_TOOLS.filter((name) => !TOOL_NAMES.includes(name)).join(', ')}`,
  )
  .option('--json', 'the paths as JSON', false)
  .addHelpText(
    'after',
    `\nBuilt with Go it takes 10 to 20 minutes on two cores, and 7 GB of disk for Go's own caches. The programs take 0.5 GB, in\n${cacheFolder()}. Existing ones are used at once.`,
  )
  .configureOutput({ writeErr: () => undefined })
  .exitOverride();

try {
  program.parse();
  const names = program.args.length === 0 ? TOOL_NAMES : program.args.map(toolName);
  const paths = await ensureTools(names);
  if (program.opts<{ json: boolean }>().json) process.stdout.write(`${JSON.stringify(paths, undefined, 2)}\n`);
  else for (const [name, file] of Object.entries(paths)) process.stdout.write(`${name.padEnd(22)} ${file}\n`);
} catch (error) {
  if (error instanceof CommanderError && error.exitCode === 0) process.exit(0);
  if (!(error instanceof CommanderError) && !(error instanceof ToolMissing)) throw error;
  const usage = error instanceof CommanderError;
  const text = error.message.replace(/^error: /, '').replaceAll(usage ? '\n' : '\0', ' ');
  process.stderr.write(usage ? `beskar7: ${text} (see npm run toolchain -- --help)\n` : `${text}\n`);
  process.exit(2);
}

function toolName(text: string): ToolName {
  const name = PINNED_TOOLS.find((one) => one === text);
  if (name === undefined)
    throw new CommanderError(2, 'tool', `there is no tool "${text}"; tools are ${PINNED_TOOLS.join(', ')}`);
  return name;
}
