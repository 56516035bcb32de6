import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { WORKFLOW_TYPES } from '../../contracts/names.ts';

/** What the replay tests replay: a folder for each version. */
export const HISTORIES = path.join(import.meta.dirname, '..', '..', 'test', 'replay', 'histories');

/**
 * A version is released only with recorded histories of every kind of its runs: later code is tested against them,
 * since it has to continue with runs that are under way (rule 18). Throws in one line when there are none, or not of
 * each kind.
 */
export async function checkHistories(number: string, histories: string): Promise<void> {
  const folder = path.join(histories, number);
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
  const missing = Object.keys(WORKFLOW_TYPES).filter((kind) => !files.some((file) => file.startsWith(`${kind}_`)));
  if (missing.length === 0) return;
  throw new Error(
    `beskar7: ${folder} has no recorded histories of ${missing.join(', ')}, ` +
      `so no test would show whether code after ${number} can continue its runs: record them with npx node test/replay/record/main.ts`,
  );
}
