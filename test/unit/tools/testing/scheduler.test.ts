import { describe, expect, test } from '@jest/globals';
import { runJobs, type Job } from '../../../../tools/testing/scheduler.ts';

/** Jobs that run until they are told to end, and what happened, in order. */
class Bench {
  readonly log: string[] = [];
  readonly #ends = new Map<string, (isGood: boolean) => void>();

  job(name: string, more: Partial<Job> = {}): Job {
    return {
      name,
      weight: 1,
      ...more,
      run: () => {
        this.log.push(`+${name}`);
        return new Promise((resolve) => this.#ends.set(name, resolve));
      },
    };
  }

  get running(): string[] {
    return [...this.#ends.keys()].sort();
  }

  async end(name: string, isGood = true): Promise<void> {
    const end = this.#ends.get(name);
    if (!end) throw new Error(`${name} does not run; ${this.running.join(', ')} do`);
    this.#ends.delete(name);
    this.log.push(`-${name}`);
    end(isGood);
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('as many at once as the capacity allows, the longest first', async () => {
  const bench = new Bench();
  const done = runJobs(
    [bench.job('short', { seconds: 1 }), bench.job('long', { seconds: 9 }), bench.job('middle', { seconds: 5 })],
    { capacity: 2 },
  );
  await settled();
  expect(bench.running).toEqual(['long', 'middle']);
  await bench.end('middle');
  expect(bench.running).toEqual(['long', 'short']);
  await bench.end('short');
  await bench.end('long', false);
  expect(Object.fromEntries(await done)).toEqual({ long: 'failed', middle: 'passed', short: 'passed' });
});

test('parts of a core add up; what mostly waits does not wait for room that a larger one needs', async () => {
  const bench = new Bench();
  const third = { weight: 2 / 3 };
  void runJobs(
    [
      bench.job('a', { ...third, seconds: 9 }),
      bench.job('b', { ...third, seconds: 8 }),
      bench.job('large', { weight: 1, seconds: 7 }),
      bench.job('c', { ...third, seconds: 6 }),
      bench.job('waits', { weight: 0.1, seconds: 5 }),
    ],
    { capacity: 2 },
  );
  await settled();
  expect(bench.running).toEqual(['a', 'b', 'waits']);
  await bench.end('a');
  // Small ones did not take its room.
  expect(bench.running).toEqual(['b', 'large', 'waits']);
});

test('no more at once than it is told, however light they are', async () => {
  const bench = new Bench();
  const jobs = ['a', 'b', 'c'].map((name) => bench.job(name, { weight: 0.1 }));
  void runJobs(jobs, { capacity: 2, most: 2 });
  await settled();
  expect(bench.running).toEqual(['a', 'b']);
});

test('what all jobs with a lock take together says when the first of them begins', async () => {
  const bench = new Bench();
  const locked = { locks: ['x'] };
  void runJobs(
    [
      bench.job('long', { seconds: 9 }),
      bench.job('x1', { ...locked, seconds: 5 }),
      bench.job('x2', { ...locked, seconds: 6 }),
    ],
    { capacity: 1 },
  );
  await settled();
  expect(bench.running).toEqual(['x2']);
});

test('with one worker all is done one after the other, the light ones too', async () => {
  const bench = new Bench();
  const done = runJobs([bench.job('a', { weight: 0.5 }), bench.job('b', { weight: 0.5 })], { capacity: 1 });
  await settled();
  expect(bench.running).toEqual(['a']);
  await bench.end('a');
  await bench.end('b');
  await done;
});

test('one that wants more than there is runs, but beside nothing', async () => {
  const bench = new Bench();
  const done = runJobs([bench.job('huge', { weight: 8, seconds: 1 }), bench.job('small', { seconds: 2 })], {
    capacity: 2,
  });
  await settled();
  expect(bench.running).toEqual(['small']);
  await bench.end('small');
  expect(bench.running).toEqual(['huge']);
  await bench.end('huge');
  await done;
});

test('alone is alone, and comes after what can share the machine', async () => {
  const bench = new Bench();
  const jobs = [bench.job('measures', { weight: 'alone', seconds: 99 }), bench.job('a'), bench.job('b', { weight: 0 })];
  const done = runJobs(jobs, { capacity: 4 });
  await settled();
  expect(bench.running).toEqual(['a', 'b']);
  await bench.end('a');
  expect(bench.running).toEqual(['b']);
  await bench.end('b');
  expect(bench.running).toEqual(['measures']);
  await bench.end('measures');
  await done;
});

test('of those with the same lock one runs at a time', async () => {
  const bench = new Bench();
  const done = runJobs([bench.job('a', { locks: ['x'] }), bench.job('b', { locks: ['y', 'x'] }), bench.job('c')], {
    capacity: 8,
  });
  await settled();
  expect(bench.running).toEqual(['a', 'c']);
  await bench.end('a', false);
  expect(bench.running).toEqual(['b', 'c']);
  await bench.end('b');
  await bench.end('c');
  await done;
});

describe('one job before another', () => {
  test('after: whatever became of it; names that are not in the run do not count', async () => {
    const bench = new Bench();
    const done = runJobs([bench.job('last', { after: ['first', 'elsewhere'] }), bench.job('first')], { capacity: 8 });
    await settled();
    expect(bench.running).toEqual(['first']);
    await bench.end('first', false);
    await bench.end('last');
    expect((await done).get('last')).toBe('passed');
  });

  test('needs: what needs one that failed is not run, and neither is what needs that; it is told once each', async () => {
    const bench = new Bench();
    const told: string[] = [];
    const jobs = [
      bench.job('start'),
      bench.job('uses', { needs: ['start'] }),
      bench.job('uses it too', { needs: ['uses'] }),
      bench.job('stop', { after: ['start', 'uses', 'uses it too'] }),
    ];
    const done = runJobs(jobs, { capacity: 8, onBlocked: ({ name }, by) => told.push(`${name} by ${by}`) });
    await settled();
    await bench.end('start', false);
    await bench.end('stop');
    expect(Object.fromEntries(await done)).toEqual({
      start: 'failed',
      uses: 'blocked',
      'uses it too': 'blocked',
      stop: 'passed',
    });
    expect(told).toEqual(['uses by start', 'uses it too by uses']);
  });

  test('a circle is an error, not a run that never ends', async () => {
    const bench = new Bench();
    const jobs = [bench.job('a', { after: ['b'] }), bench.job('b', { needs: ['a'] })];
    await expect(runJobs(jobs, { capacity: 2 })).rejects.toThrow('these jobs wait for each other: a, b');
  });

  test('two of the same name are an error', async () => {
    const bench = new Bench();
    await expect(runJobs([bench.job('a'), bench.job('a')], { capacity: 2 })).rejects.toThrow(/same name: a/);
  });
});

test('an earlier stage comes first where there is room for one', async () => {
  const bench = new Bench();
  void runJobs([bench.job('late', { stage: 1, seconds: 99 }), bench.job('early', { stage: 0 })], { capacity: 1 });
  await settled();
  expect(bench.running).toEqual(['early']);
});

test('once aborted nothing more is started, and what runs is waited for', async () => {
  const bench = new Bench();
  const abort = new AbortController();
  const done = runJobs([bench.job('a'), bench.job('b')], { capacity: 1, signal: abort.signal });
  await settled();
  abort.abort();
  await bench.end('a');
  expect(Object.fromEntries(await done)).toEqual({ a: 'passed' });
});
