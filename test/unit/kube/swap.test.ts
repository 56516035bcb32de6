import { describe, expect, test } from '@jest/globals';
import { isConflict, KubeError } from '../../../kube/error.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { find, pinned, swap, SWAP, unlessChanged } from '../../../kube/swap.ts';

const failure = (status: number, reason: string) =>
  new KubeError({ verb: 'patch', resource: 'physicalhosts' }, { status, reason, message: 'm' });
const CONFLICT = () => failure(409, 'Conflict');
const GONE = () => failure(404, 'NotFound');

/** What `read` gives, counted from 1, and a write that fails with these, one after the other, and then succeeds. */
function scene(...failures: unknown[]) {
  const seen: unknown[] = [];
  let reads = 0;
  return {
    seen,
    what: 'host ns/h',
    read: () => Promise.resolve(`live ${(reads += 1)}`),
    write: (read: string, isLive: boolean) => {
      seen.push([read, isLive]);
      const error = failures.shift();
      return error === undefined ? Promise.resolve(`wrote ${read}`) : Promise.reject(error as Error);
    },
  };
}

describe('a compare-and-swap', () => {
  test('reads, and writes', async () => {
    const at = scene();
    expect(await swap(at)).toBe('wrote live 1');
    expect(at.seen).toEqual([['live 1', true]]);
  });

  test('begins with what the caller has', async () => {
    const at = scene();
    expect(await swap({ ...at, start: 'cached' })).toBe('wrote cached');
    expect(at.seen).toEqual([['cached', false]]);
  });

  test('reads again when somebody else was first, and judges that', async () => {
    const at = scene(CONFLICT(), CONFLICT());
    expect(await swap({ ...at, start: 'cached' })).toBe('wrote live 2');
    expect(at.seen).toEqual([
      ['cached', false],
      ['live 1', true],
      ['live 2', true],
    ]);
  });

  test('that is lost each time ends, with an error for the operator', async () => {
    const at = scene(...Array.from({ length: 20 }, CONFLICT));
    const error = await swap(at).catch((thrown: unknown) => thrown);
    expect(at.seen).toHaveLength(SWAP.tries);
    expect(isConflict(error)).toBe(true);
    expect(String(error)).toMatch(
      /host ns\/h was changed by others each time .*nothing was written.*show-managed-fields/,
    );
  });

  test('waits longer from try to try, and for each but the first', () => {
    const { tries, waitsMs } = SWAP;
    expect(waitsMs).toHaveLength(tries - 1);
    expect([...waitsMs].sort((a, b) => a - b)).toEqual([...waitsMs]);
    // A callback has 12 s for all of it, its reads and writes included.
    expect(waitsMs.reduce((sum: number, ms) => sum + 1.5 * ms, 0)).toBeLessThan(1_000);
  });

  test.each([
    ['AlreadyExists is no conflict of versions', failure(409, 'AlreadyExists')],
    ['a refusal', failure(403, 'Forbidden')],
    ['the object is gone, and the caller does not say what then', GONE()],
    ['what the caller throws', new Error('refused')],
  ])('is not repeated: %s', async (_what, error) => {
    const at = scene(error);
    await expect(swap({ ...at, start: 'cached' })).rejects.toBe(error);
    expect(at.seen).toHaveLength(1);
  });

  test('of an object that is gone comes to what the caller says', async () => {
    expect(await swap({ ...scene(GONE()), onGone: () => 'gone' })).toBe('gone');
  });

  test('is repeated for what the caller takes for stale, a 404 too', async () => {
    const isStale = (error: unknown) => error instanceof KubeError && error.status === 404;
    expect(await swap({ ...scene(GONE()), isStale, onGone: () => 'gone' })).toBe('wrote live 2');
  });

  test('what a cache made the caller refuse is looked at live, once', async () => {
    const at = scene(new Error('not yet'), new Error('refused'));
    const isStale = (error: unknown, isLive: boolean) => !isLive && !(error instanceof KubeError);
    await expect(swap({ ...at, start: 'cached', isStale })).rejects.toThrow('refused');
    expect(at.seen).toHaveLength(2);
  });
});

test('find: undefined when there is none; whatever else goes wrong is thrown', async () => {
  const at = { namespace: 'ns', name: 'h' };
  const kube = (error: unknown) => ({ get: () => Promise.reject(error as Error) });
  expect(await find(kube(GONE()), HOSTS, at)).toBeUndefined();
  await expect(find(kube(failure(404, 'KindNotServed')), HOSTS, at)).rejects.toThrow('KindNotServed');
  await expect(find(kube(CONFLICT()), HOSTS, at)).rejects.toThrow('Conflict');
});

test('a pinned patch is for that version of that object', () => {
  const object = { metadata: { name: 'h', uid: 'u', resourceVersion: '7' } };
  expect(pinned(object, { metadata: { labels: { a: null } }, spec: { b: 1 } })).toEqual({
    metadata: { labels: { a: null }, uid: 'u', resourceVersion: '7' },
    spec: { b: 1 },
  });
});

test('unlessChanged: undefined when it has changed or is gone', async () => {
  expect(await unlessChanged(() => Promise.reject(CONFLICT()))).toBeUndefined();
  expect(await unlessChanged(() => Promise.reject(GONE()))).toBeUndefined();
  expect(await unlessChanged(() => Promise.resolve(1))).toBe(1);
  await expect(unlessChanged(() => Promise.reject(failure(403, 'Forbidden')))).rejects.toThrow('Forbidden');
});
