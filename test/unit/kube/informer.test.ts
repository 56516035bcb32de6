import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Informer } from '../../../kube/informer.ts';
import { INFORMER_TIMING, type InformerOptions } from '../../../kube/informerOptions.ts';
import type { KubeClient } from '../../../kube/client.ts';
import type { Resource } from '../../../kube/resource.ts';
import { clientFor, json, statusBody, TestServer, until } from './httpServer.ts';
import { FakeApi, gone, type Item } from '../controllers/fakeApi.ts';

const ITEMS: Resource<Item> = { group: 'g', version: 'v1', plural: 'items', kind: 'Item', namespaced: true };
const logger = { warn: () => undefined, info: () => undefined, debug: () => undefined } as never;

let server: TestServer;
let api: FakeApi;
let client: KubeClient;
let informer: Informer<Item>;
let changes: string[];
let interruptions: string[];
let missed: number[];

beforeEach(async () => {
  server = new TestServer();
  api = new FakeApi();
  server.handler = api.handler;
  client = clientFor(await server.start());
});
afterEach(async () => {
  await informer.stop();
  await client.close();
  await server.stop();
});

function make(options: Partial<InformerOptions<Item>> = {}): void {
  const timing = { firstRetryMs: 2, longestRetryMs: 10, absentRetryMs: 5, healthyMs: 5, ...options.timing };
  informer = new Informer(client, ITEMS, {
    logger,
    indexes: { byText: ({ spec }) => (spec.text === undefined ? [] : [spec.text]) },
    observerOf: () => ({ interrupted: (why) => interruptions.push(why), missed: (objects) => missed.push(objects) }),
    ...options,
    timing,
  });
  changes = [];
  interruptions = [];
  missed = [];
  informer.onChange(({ type, object, previous }) => {
    changes.push(`${type} ${object.metadata.name}${previous ? ` ${previous.spec.text}->${object.spec.text}` : ''}`);
  });
}

async function start(options: Partial<InformerOptions<Item>> = {}): Promise<void> {
  make(options);
  informer.start();
  await informer.waitForSync(AbortSignal.timeout(2000));
  await until('the watch is open', () => api.watches.size === 1);
}

/** The informer is alive when the next event arrives. */
async function expectAlive(): Promise<void> {
  await until('a watch is open', () => api.watches.size >= 1);
  api.put('alive', 'yes');
  await until('the next event arrives', () => informer.get('ns', 'alive')?.spec.text === 'yes');
}

describe('list and watch', () => {
  test('pages, then events, with indexes and previous objects', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) api.put(name, 'x', false);
    await start({ timing: { pageSize: 2 } });
    expect(informer.list()).toHaveLength(5);
    expect(api.lists.map((query) => query.get('continue'))).toEqual([null, '2', '4']);
    api.put('a', 'y');
    api.remove('b');
    await until('b is gone', () => informer.get('ns', 'b') === undefined);
    expect(informer.byIndex('byText', 'x').map(({ metadata }) => metadata.name)).toEqual(['c', 'd', 'e']);
    expect(informer.byIndex('byText', 'y').map(({ metadata }) => metadata.name)).toEqual(['a']);
    expect(informer.byIndex('byText', 'z')).toEqual([]);
    expect(changes.slice(5)).toEqual(['updated a x->y', 'deleted b']);
    expect(() => informer.byIndex('no', 'x')).toThrow('no index "no"');
  });

  test('objects are trimmed on the way in', async () => {
    api.put('a', 'long', false);
    await start({ trim: (item) => ({ ...item, spec: {} }) });
    api.put('b', 'long');
    await until('b is there', () => informer.get('ns', 'b') !== undefined);
    expect(informer.list().map(({ spec }) => spec)).toEqual([{}, {}]);
  });

  test('a watch that ends in good order goes on from the last version, bookmarks included', async () => {
    await start();
    api.put('a', 'x');
    await until('a is there', () => informer.size === 1);
    api.say(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '150' } } })}\n`);
    api.endWatches();
    await until('it watches again', () => api.watchVersions.length === 2);
    expect(api.watchVersions).toEqual(['100', '150']);
    expect(api.lists).toHaveLength(1);
    expect(changes).toEqual(['added a']);
  });
});

describe('what goes wrong', () => {
  test('the connection is cut: nothing is missed', async () => {
    await start();
    server.cut();
    api.put('a', 'x');
    await until('a is there', () => informer.size === 1);
    await expectAlive();
    expect(api.lists).toHaveLength(1);
  });

  test.each([
    ['a refusal', (response: Parameters<typeof gone>[0]) => gone(response)],
    [
      'an ERROR event',
      (response: Parameters<typeof gone>[0]) => {
        response.end(`${JSON.stringify({ type: 'ERROR', object: statusBody(410, 'Expired', 'too old') })}\n`);
        return true;
      },
    ],
  ])('410 on the watch, as %s: a new list tells what was missed', async (_name, refuse) => {
    api.put('stays', 'x', false);
    api.put('goes', 'x', false);
    await start();
    api.remove('goes', false);
    api.put('stays', 'y', false);
    api.put('comes', 'x', false);
    let refusals = 0;
    api.fault = ({ query }, response) => query.has('watch') && (refusals += 1) === 1 && refuse(response);
    api.endWatches();
    await until('the gap is closed', () => informer.get('ns', 'comes') !== undefined && informer.size === 2);
    expect(changes.slice(2).sort()).toEqual(['added comes', 'deleted goes', 'updated stays x->y']);
    await expectAlive();
  });

  test('deleted and made again under the same name in the gap: two objects', async () => {
    api.put('a', 'old', false);
    await start();
    api.remove('a', false);
    api.put('a', 'new', false);
    let refusals = 0;
    api.fault = ({ query }, response) => query.has('watch') && (refusals += 1) === 1 && gone(response);
    api.endWatches();
    await until('the new one is there', () => informer.get('ns', 'a')?.spec.text === 'new');
    expect(changes).toEqual(['added a', 'deleted a', 'added a']);
  });

  test('410 in the middle of a paged list', async () => {
    for (const name of ['a', 'b', 'c']) api.put(name, 'x', false);
    api.fault = ({ query }, response) => query.has('continue') && gone(response);
    await start({ timing: { pageSize: 2 } });
    expect(informer.size).toBe(3);
    expect(api.lists.map((query) => query.get('limit'))).toEqual(['2', '2', null]);
  });

  test('a garbage line: list anew', async () => {
    await start();
    api.put('missed', 'x', false);
    api.say('{"type": "ADDED", "obj\n');
    await until('it has listed again', () => informer.size === 1);
    await expectAlive();
  });

  test('500s, refusals and broken answers, then service again', async () => {
    const answers = [500, 403, 429, 503, 401];
    api.fault = (_request, response) => {
      const status = answers.shift();
      if (status === undefined) return false;
      json(response, status, statusBody(status, 'Bad', 'no'), { 'retry-after': '0' });
      return true;
    };
    await start();
    await expectAlive();
    await until('it is well', () => informer.problem() === undefined);
  });

  test('403 is told as the problem until it is mended', async () => {
    api.fault = (_request, response) => {
      json(response, 403, statusBody(403, 'Forbidden', 'may not list items'));
      return true;
    };
    make();
    informer.start();
    await until('the problem is known', () => informer.problem()?.message.includes('may not list items') === true);
    expect(informer.synced).toBe(false);
    api.fault = () => false;
    await informer.waitForSync(AbortSignal.timeout(2000));
    await expectAlive();
  });

  test('a watch that falls silent is cut within 150 s', () => {
    const { watchSeconds, suspectWatchSeconds, watchMarginMs } = INFORMER_TIMING;
    expect(watchSeconds * 1.4 * 1000 + watchMarginMs).toBeLessThanOrEqual(150_000);
    // So that a process whose watches stay silent is never behind for longer than makes it not ready.
    expect(suspectWatchSeconds * 1000 + watchMarginMs).toBeLessThan(60_000);
  });

  const impatient = { watchSeconds: 0.02, suspectWatchSeconds: 0.02, watchMarginMs: -980 };

  test('a watch whose lines are swallowed on the way: cut, told, and listed again until a line comes', async () => {
    const beganMs = performance.now();
    api.put('a', 'old', false);
    await start({ timing: impatient });
    api.put('a', 'new', false);
    await until('a list has told', () => informer.get('ns', 'a')?.spec.text === 'new');
    api.put('b', 'x', false);
    await until('and again', () => informer.size === 2);
    expect(informer.problem()?.message).toContain('was silent');
    expect(informer.problem()?.forMs).toBeLessThanOrEqual(performance.now() - beganMs);
    expect(interruptions).toContain('silent');
    expect(missed).toEqual([1, 1]);
    await until('lines come again', () => {
      api.say(`${JSON.stringify({ type: 'BOOKMARK', object: api.bookmark() })}\n`);
      return informer.problem() === undefined;
    });
    await expectAlive();
  });

  test('a new list every ten minutes finds what no event has told, and counts it', async () => {
    expect(INFORMER_TIMING.listEveryMs).toBe(600_000);
    api.put('a', 'old', false);
    await start({ timing: { listEveryMs: 50, healthyMs: 1 } });
    api.put('a', 'new', false);
    api.put('told', 'x');
    await until('the event is there', () => informer.size === 2);
    await until('it is found', () => {
      api.endWatches();
      return informer.get('ns', 'a')?.spec.text === 'new';
    });
    await expectAlive();
    expect(missed).toEqual([1]);
  });

  test('a change that the list has told before its event came is not counted as missed, nor applied twice', async () => {
    await start({ timing: { listEveryMs: 1, healthyMs: 1 } });
    // Happens between two watches: the list is first.
    api.fault = ({ query }) => {
      if (!query.has('watch') && !api.items.has('a')) {
        api.put('a', 'x');
        api.put('a', 'y');
      }
      return false;
    };
    api.endWatches();
    await until('it is there', () => informer.get('ns', 'a')?.spec.text === 'y');
    await expectAlive();
    expect(changes).toEqual(['added a', 'added alive']);
    expect(missed).toEqual([]);
  });

  test('a server that ends each watch after a line is not hammered', async () => {
    const times: number[] = [];
    api.fault = ({ query }, response) => {
      if (!query.has('watch')) return false;
      times.push(performance.now());
      response.end(`${JSON.stringify({ type: 'BOOKMARK', object: api.bookmark() })}\n`);
      return true;
    };
    make({ timing: { firstRetryMs: 20, longestRetryMs: 1000, healthyMs: 10_000 } });
    informer.start();
    await until('it has tried some times', () => times.length >= 5);
    // 20, 40, 80, 160 ms, and the jitter takes half of that at most.
    expect((times[4] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(145);
    expect(informer.problem()?.message).toContain('ended the watch at once');
    expect(interruptions.slice(0, 4)).toEqual(['ended', 'ended', 'ended', 'ended']);
    api.fault = () => false;
    await expectAlive();
  });

  test('a server that ends each watch at once is not hammered', async () => {
    api.fault = ({ query }, response) => {
      if (!query.has('watch')) return false;
      response.end();
      return true;
    };
    make({ timing: { firstRetryMs: 20, longestRetryMs: 1000 } });
    informer.start();
    await until('it has tried some times', () => api.watchVersions.length >= 3);
    expect(informer.problem()?.message).toContain('ended the watch at once');
    api.fault = () => false;
    await expectAlive();
  });

  test('a handler that throws does not end it', async () => {
    make();
    informer.onChange(() => {
      throw new Error('bad handler');
    });
    informer.start();
    await expectAlive();
  });
});

describe('an optional kind', () => {
  const absent: FakeApi['fault'] = (_request, response) => {
    response.writeHead(404).end('404 page not found\n');
    return true;
  };

  test('that is absent counts as synced and empty, and is picked up when it appears', async () => {
    api.fault = absent;
    make({ optional: true });
    informer.start();
    await informer.waitForSync(AbortSignal.timeout(2000));
    expect([informer.absent, informer.size]).toEqual([true, 0]);
    api.put('a', 'x', false);
    api.fault = () => false;
    await until('it is there', () => informer.size === 1);
    expect(informer.absent).toBe(false);
    await expectAlive();
  });

  test('one of ours that is absent is waited for, and what is known of it is kept', async () => {
    api.put('a', 'x', false);
    await start();
    api.fault = absent;
    server.cut();
    await until('the problem is known', () => informer.problem() !== undefined);
    expect([informer.absent, informer.size]).toEqual([false, 1]);
  });
});

test('stop ends a waiting informer, and a wait for it', async () => {
  make();
  const stop = new AbortController();
  const waiting = informer.waitForSync(stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(informer.waitForSync(stop.signal)).rejects.toThrow('enough');
});
