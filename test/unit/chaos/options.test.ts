import { describe, expect, test } from '@jest/globals';
import { parseOptions, UsageError } from '../../chaos/options.ts';

describe('options of a chaos run', () => {
  test('defaults', () => {
    expect(parseOptions([])).toEqual({
      seeds: [1],
      minutes: 2,
      hosts: 12,
      settleMinutes: 5,
      bugs: false,
      worlds: 4,
      resume: undefined,
      json: undefined,
      keep: undefined,
    });
  });

  test.each(['--seed', '--seeds'])('%s takes several; --resume and --json name files', (flag) => {
    const args = [flag, '1,2,3', '--minutes=10', '--hosts=100', '--resume=all.json', '--json=out.json'];
    expect(parseOptions(args)).toMatchObject({
      seeds: [1, 2, 3],
      minutes: 10,
      hosts: 100,
      resume: 'all.json',
      json: 'out.json',
    });
  });

  test.each([
    [['--seed', '-1'], '--seed'],
    [['--seed', '1,x'], '--seed'],
    [['--minutes', '0'], '--minutes'],
    [['--nonsense'], '--nonsense'],
    [['more'], 'arguments'],
  ])('%j is refused in one line that names it', (args, named) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(named);
  });
});
