import { createInterface } from 'node:readline/promises';
import { inspect } from 'node:util';
import { visibleText } from '../untrusted/text.ts';

/** Where a command reads and writes. Standard output is for data alone. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a person is at the other end of standard output: colours, and times for readers. */
  readonly isTerminal: boolean;
  readonly nowMs: () => number;
  /** Data, as it is. */
  out(text: string): void;
  /** For the person: hints, questions, errors. A line. */
  tell(line: string): void;
  /** Asks yes or no; undefined without a terminal. */
  confirm(question: string): Promise<boolean | undefined>;
}

type Process = Pick<NodeJS.Process, 'env' | 'stdin' | 'stdout' | 'stderr'>;

/** The streams of a process. */
export function ioOf(owner: Process): Io {
  return {
    env: owner.env,
    isTerminal: owner.stdout.isTTY === true,
    nowMs: () => Date.now(),
    out: (text) => void owner.stdout.write(text),
    tell: (line) => void owner.stderr.write(`${visibleText(line)}\n`),
    confirm: async (question) => {
      if (owner.stdin.isTTY !== true || owner.stderr.isTTY !== true) return undefined;
      const reader = createInterface({ input: owner.stdin, output: owner.stderr });
      // Ctrl-C and Ctrl-D are a no; what comes next starts on a line of its own.
      const away = new Promise<string>((resolve) => reader.once('close', () => resolve('\n')));
      try {
        const answer = await Promise.race([reader.question(`${question} [y/N] `).catch(() => '\n'), away]);
        if (answer === '\n') owner.stderr.write(answer);
        return /^y(es)?$/i.test(answer.trim());
      } finally {
        reader.close();
      }
    },
  };
}

/** Styles of `util.inspect.colors` that texts are painted in. */
export type Colour = 'green' | 'red' | 'yellow' | 'blue' | 'gray' | 'bold';

/** Puts a colour around a text, or nothing. */
export type Paint = (text: string, colour: Colour | undefined) => string;

/** Colours on a terminal only, and not if NO_COLOR (https://no-color.org) is set. */
export function paintFor({ isTerminal, env }: Pick<Io, 'isTerminal' | 'env'>): Paint {
  if (!isTerminal || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return (text) => text;
  return (text, colour) => {
    if (colour === undefined) return text;
    const [on, off] = inspect.colors[colour] ?? [0, 0];
    return `\u001b[${on}m${text}\u001b[${off}m`;
  };
}

/** Text of others (BMCs, images, people) for a terminal: nothing that could steer it, hide in it or turn it around. */
export function plain(text: string): string {
  return visibleText(text);
}
