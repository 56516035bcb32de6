import { expect, test } from '@jest/globals';
import { KeptTls, type TlsFiles } from '../../../http/tls.ts';

const files = (name: string, key = name): TlsFiles => ({ cert: name, key, ca: undefined });

/** Files kept of an origin whose answers are given; `again` looks for newer ones. */
function kept(answers: (TlsFiles | Error)[]) {
  const seen: string[] = [];
  const logged: string[] = [];
  let look: () => void = () => undefined;
  let isFollowed = true;
  const log = (level: string) => (fields: object, message: string) =>
    void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const tls = new KeptTls(
    files('first'),
    {
      read: () => {
        const answer = answers.shift() ?? files('last');
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
      follow: (again) => {
        look = again;
        return () => (isFollowed = false);
      },
      from: { secret: 'a/b' },
    },
    { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') } as never,
  );
  tls.onChange(({ cert, key }) => seen.push(`${cert}/${key}`));
  const again = async () => {
    look();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { tls, seen, logged, again, isFollowed: () => isFollowed };
}

test('newer files reach who listens; the same ones do not', async () => {
  const { tls, seen, again } = kept([files('first'), files('second'), files('second', 'another')]);
  await again();
  expect(seen).toEqual([]);
  await again();
  // The same certificate for another key is another pair.
  await again();
  expect(seen).toEqual(['second/second', 'second/another']);
  expect(tls.files.key).toBe('another');
});

test('the last good files stay when newer ones cannot be had, and the log says where from', async () => {
  const { tls, seen, logged, again } = kept([new Error('the API server is away')]);
  await again();
  expect(seen).toEqual([]);
  expect(tls.files.cert).toBe('first');
  expect(logged).toEqual([expect.stringMatching(/^error .*keeping the last good one .*a\/b.*is away/)]);
});

test('stopped, it looks no more', () => {
  const { tls, isFollowed } = kept([]);
  tls.stop();
  expect(isFollowed()).toBe(false);
});
