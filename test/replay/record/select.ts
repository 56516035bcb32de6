import { copyFileSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { kindOf, readHistory, stepsOf } from '../history.ts';
import { PATCHED_LINES, PATHS, takes } from '../paths.ts';

/**
 * Copies, of the histories in a folder, as few and as small ones as take every path of `PATHS` and come to every
 * patched line that any of them does, and show every step of a kind of run that any of them shows. Gives their names.
 */
export function select(from: string, into: string): string[] {
  const left = new Map(
    readdirSync(from).map((file) => [
      file,
      { bytes: statSync(path.join(from, file)).size, shows: shownBy(path.join(from, file)) },
    ]),
  );
  const seen = new Set<string>();
  const chosen: string[] = [];
  mkdirSync(into, { recursive: true });
  for (;;) {
    const worth = [...left].map(([file, { bytes, shows }]) => {
      const fresh = shows.filter((one) => !seen.has(one)).length;
      return { file, fresh, perByte: fresh / bytes };
    });
    const [best] = worth.filter(({ fresh }) => fresh > 0).sort((a, b) => b.perByte - a.perByte);
    if (!best) return chosen.sort();
    for (const one of left.get(best.file)?.shows ?? []) seen.add(one);
    left.delete(best.file);
    copyFileSync(path.join(from, best.file), path.join(into, best.file));
    chosen.push(best.file);
  }
}

/** The paths that a run takes, and the steps that it has. */
function shownBy(file: string): string[] {
  const steps = stepsOf(readHistory(file));
  const kind = kindOf(path.basename(file));
  const paths = Object.entries({ ...PATHS, ...PATCHED_LINES }).filter(
    ([, way]) => way.kind === kind && takes(steps, way),
  );
  return [...new Set([...paths.map(([what]) => what), ...steps.map((step) => `${kind}: ${step}`)])];
}
