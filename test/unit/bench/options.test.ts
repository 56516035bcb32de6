import { describe, expect, test } from '@jest/globals';
import { parseOptions, UsageError } from '../../../bench/options.ts';

describe('options', () => {
  test('defaults', () => {
    expect(parseOptions([])).toMatchObject({
      machines: 100,
      latency: '20ms',
      bootTime: '1s',
      repeat: 1,
      hanging: 0,
      timeoutMs: 900_000,
      beskar7Flags: [],
      json: undefined,
    });
  });

  test('all that can be said', () => {
    const args = '--machines 300 --latency 500ms --boot-time 2s --json out.json --repeat 3 --timeout 5m'.split(' ');
    expect(parseOptions([...args, '--beskar7-flags', '--log-level debug'])).toMatchObject({
      machines: 300,
      latency: '500ms',
      bootTime: '2s',
      json: 'out.json',
      repeat: 3,
      hanging: 0,
      timeoutMs: 300_000,
      beskar7Flags: ['--log-level', 'debug'],
    });
  });

  test.each([
    [['--machines', '0'], '--machines'],
    [['--machines', '1.5'], '--machines'],
    [['--latency', '20'], '--latency'],
    [['--timeout', 'soon'], '--timeout'],
    [['--machines', '10', '--hanging', '10'], '--hanging'],
    [['--nonsense'], '--nonsense'],
    [['more'], 'arguments'],
  ])('%j is refused in one line that names it', (args, named) => {
    const attempt = () => parseOptions(args);
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(new RegExp(`^bench: .*${named}.*\\(see --help\\)$`));
  });
});
