import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { EXIT } from '../../../cli/exit.ts';
import { program } from '../../../cli/program.ts';

const page = readFileSync(path.join(process.cwd(), 'docs/kubectl.md'), 'utf8');
const io = {
  env: {},
  isTerminal: false,
  nowMs: () => 0,
  out: () => undefined,
  tell: () => undefined,
  confirm: () => Promise.resolve(undefined),
};
const root = program(io, '0', () => undefined);
const commands = root.commands.filter((command) => !command.name().startsWith('__'));

describe('docs/kubectl.md', () => {
  test.each(commands.map((command) => [command.name(), command] as const))(
    'has %s, and each of its flags',
    (name, command) => {
      expect(page).toMatch(new RegExp(`(kubectl[ -]beskar7|\`|### )\\s*${name}\\b`));
      for (const { long } of command.options) expect(page).toContain(String(long));
    },
  );

  test.each(root.options.map(({ long }) => [String(long)]))('has %s', (long) => {
    expect(page).toContain(long);
  });

  test('has every exit code', () => {
    for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\| ${code} \\| \\S`, 'm'));
  });
});
