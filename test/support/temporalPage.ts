import { readFileSync } from 'node:fs';
import path from 'node:path';

/** docs/temporal.md. */
export const temporalPage = readFileSync(path.join(import.meta.dirname, '../../docs/temporal.md'), 'utf8');

/** The heading of docs/temporal.md whose lines want an administrator of a Temporal with an authoriser. */
const ADMINISTRATION = '## Behind an authoriser\n';

/** The lines of docs/temporal.md that begin with `temporal`, out of its shell blocks; continued ones are joined. */
export function temporalLines(part: 'an operator' | 'an administrator'): string[] {
  const [before = '', after = ''] = temporalPage.split(ADMINISTRATION);
  const text = part === 'an operator' ? before : after;
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)]
    .flatMap(([, block = '']) => block.replaceAll(/\\\n\s*/g, '').split('\n'))
    .filter((line) => line.startsWith('temporal '));
}

/** The words behind `temporal`, as a shell would split them (in quotes they stay together), without `-n beskar7`. */
export function temporalWords(line: string): string[] {
  const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, one, two, three]) => one ?? two ?? three ?? '',
  );
  const at = words.indexOf('-n');
  if (words[at + 1] !== 'beskar7') throw new Error(`docs/temporal.md: not for the namespace beskar7: ${line}`);
  return words.toSpliced(at, 2).slice(1);
}
