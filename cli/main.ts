import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CommanderError } from 'commander';
import { endOf, EXIT, type ExitCode } from './exit.ts';
import { plain, type Io } from './io.ts';
import { program } from './program.ts';

/** Runs one command; gives the exit code. Nothing is thrown, and nothing but data is written to standard output. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let code: ExitCode = EXIT.ok;
  try {
    const root = program(io, version(), (told) => (code = told));
    if (args.length === 0) {
      io.tell(root.helpInformation().trimEnd());
      return EXIT.usage;
    }
    await root.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // It has told the person already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const end = endOf(error);
    for (const line of end.message.split('\n')) io.tell(`kubectl-beskar7: ${plain(line)}`);
    if (end.code === EXIT.error && (io.env['BESKAR7_DEBUG'] ?? '') !== '') io.tell(String((error as Error).stack));
    return end.code;
  }
}

/** That of the package.json above this file: two folders from the source, more from the bundle. */
function version(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    if (existsSync(file)) {
      const { name, version: own } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === 'beskar7' && own !== undefined) return own;
    }
    if (folder === path.dirname(folder)) return 'unknown';
  }
}
