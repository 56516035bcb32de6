import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { FleetFeed } from '../../../web/server/feed.ts';
import { streamFleet } from '../../../web/server/stream.ts';
import type { Change, Snapshot } from '../../../web/shared/api.ts';
import { FakeCache, host, machine, WebScene } from './scene.ts';

const all = () => true;

describe('the feed', () => {
  const feedOf = (count: number, journal?: number) => {
    const hosts = new FakeCache<ReturnType<typeof host>>();
    const machines = new FakeCache<ReturnType<typeof machine>>();
    for (let index = 0; index < count; index += 1) hosts.put(host(`h-${index}`));
    return { hosts, machines, feed: new FleetFeed({ hosts, machines }, journal) };
  };
  const changeOf = (data: string | undefined) => JSON.parse(data ?? '{}') as Change;

  test('tells the last change of each row only, and what is gone', () => {
    const { feed, hosts, machines } = feedOf(3);
    const place = feed.place;
    hosts.put(host('h-1', { status: { state: 'Error' } }));
    hosts.put(host('h-1', { status: { state: 'Available' } }));
    hosts.put(host('h-2', { status: { state: 'Error' } }));
    hosts.remove('default', 'h-2');
    machines.put(machine('m-1', 'Claiming'));
    const { data, place: after } = feed.after(place, all, 100);
    expect(changeOf(data)).toMatchObject({
      hosts: [{ name: 'h-1', state: 'Available' }],
      machines: [{ name: 'm-1', phase: 'Claiming' }],
      goneHosts: [{ namespace: 'default', name: 'h-2' }],
    });
    expect(after).toBe(feed.place);
    expect(feed.after(after, all, 100).data).toBeUndefined();
  });

  test('is cut into parts, of which none is lost', () => {
    const { feed, hosts } = feedOf(50);
    const parts = [...feed.snapshot(all, 20)].map((text) => JSON.parse(text) as Snapshot);
    expect(parts.map(({ hosts: rows, isFirst, isLast }) => [rows.length, isFirst, isLast])).toEqual([
      [20, true, false],
      [20, false, false],
      [10, false, true],
    ]);
    const place = feed.place;
    for (let index = 0; index < 50; index += 1) hosts.put(host(`h-${index}`, { status: { state: 'Error' } }));
    const names: string[] = [];
    for (let at = place; at < feed.place;) {
      const part = feed.after(at, all, 20);
      names.push(...(changeOf(part.data).hosts ?? []).map(({ name }) => name));
      at = part.place;
    }
    expect(names).toHaveLength(50);
  });

  test('goes on after an id of its own, not after one of another process, of the future, or too old', () => {
    const { feed, hosts } = feedOf(1, 10);
    const id = feed.idOf(feed.place);
    expect(feed.placeOf(id)).toBe(feed.place);
    expect(feed.placeOf(`other-${feed.place}`)).toBeUndefined();
    expect(feed.placeOf(feed.idOf(feed.place + 1))).toBeUndefined();
    expect(feed.placeOf('nonsense')).toBeUndefined();
    for (let count = 0; count < 11; count += 1) hosts.put(host('h-0'));
    expect(feed.placeOf(id)).toBeUndefined();
    // What was forgotten of a row that is gone does not grow either.
    for (let count = 0; count < 100; count += 1) {
      hosts.put(host(`short-${count}`));
      hosts.remove('default', `short-${count}`);
    }
    expect(feed.namespaces).toEqual(['default']);
  });

  test('a machine’s time in its phase begins when the phase was seen to change', () => {
    const { feed, machines } = feedOf(0);
    machines.put(machine('m-1', 'Claiming'));
    expect(feed.sinceOf('default', 'm-1')).toBe('2026-11-23T12:00:00Z');
    const before = new Date().toISOString();
    machines.put(machine('m-1', 'Inspecting'));
    const since = feed.sinceOf('default', 'm-1') ?? '';
    expect(since >= before).toBe(true);
    machines.put(machine('m-1', 'Inspecting'));
    expect(feed.sinceOf('default', 'm-1')).toBe(since);
  });
});

describe('the stream', () => {
  let scene: WebScene;
  beforeEach(() => void (scene = new WebScene()));
  afterEach(() => scene.stop());

  test('begins with all, goes on with changes, beats when there are none, and resumes', async () => {
    scene.hosts.put(host('rack1-01'));
    const client = await scene.start({ auth: 'none', timing: { gatherMs: 1, heartbeatMs: 50 } });
    const seen: { event: string; id: string | undefined; data: unknown }[] = [];
    for await (const one of client.events()) {
      // A beat may come before the change where the machine is busy: what counts is that one comes after it.
      if (one.event === 'beat' && seen.length < 2) continue;
      seen.push(one);
      if (one.event === 'snapshot') scene.hosts.put(host('rack1-02'));
      if (one.event === 'beat') break;
    }
    expect(seen.map(({ event }) => event)).toEqual(['snapshot', 'change', 'beat']);
    expect(seen[1]?.data).toMatchObject({ hosts: [{ name: 'rack1-02' }] });
    scene.hosts.put(host('rack1-03'));
    const id = seen[1]?.id ?? '';
    for await (const { event, data } of client.events({ 'Last-Event-ID': id })) {
      expect({ event, data }).toMatchObject({ event: 'change', data: { hosts: [{ name: 'rack1-03' }] } });
      break;
    }
    for await (const { event } of client.events({ 'Last-Event-ID': 'other-1' })) {
      expect(event).toBe('snapshot');
      break;
    }
  });

  test('a right that is taken away takes the rows away, the last one ends the stream', async () => {
    scene.hosts.put(host('rack1-01'));
    scene.hosts.put(host('rack9-01', { namespace: 'other' }));
    await scene.start({ timing: { gatherMs: 1, heartbeatMs: 20, accessMs: 0 } });
    const rights = ['list physicalhosts default', 'list physicalhosts other'];
    const client = await scene.loggedIn(scene.user('bob', ...rights));
    const pictures: string[][] = [];
    for await (const { event, data } of client.events()) {
      if (event !== 'snapshot') continue;
      pictures.push((data as Snapshot).hosts.map(({ name }) => name));
      scene.rights.delete(`bob ${rights[2 - pictures.length] ?? ''}`);
    }
    expect(pictures).toEqual([['rack1-01', 'rack9-01'], ['rack1-01']]);
  });

  test('a row that was the last one of its namespace is told to be gone; an empty fleet is no refusal', async () => {
    await scene.start({ timing: { gatherMs: 1, heartbeatMs: 20, accessMs: 0 } });
    const client = await scene.loggedIn(scene.user('bob', 'list physicalhosts default'));
    const seen: unknown[] = [];
    for await (const { event, data } of client.events()) {
      if (seen.length === 0) scene.hosts.put(host('rack1-01'));
      else if (seen.length === 1) scene.hosts.remove('default', 'rack1-01');
      if (event === 'beat') continue;
      seen.push(data);
      if (event === 'change' && 'goneHosts' in (data as object)) break;
    }
    expect(seen.at(-1)).toEqual({ goneHosts: [{ namespace: 'default', name: 'rack1-01' }] });
  });

  test('what happens where one may not look neither silences the beats nor costs a resume', async () => {
    scene.hosts.put(host('rack1-01'));
    await scene.start({ timing: { gatherMs: 1, heartbeatMs: 30, accessMs: 1000 } });
    const client = await scene.loggedIn(scene.user('bob', 'list physicalhosts default'));
    const elsewhere = setInterval(() => scene.hosts.put(host('rack9-01', { namespace: 'other' })), 2);
    let last: string | undefined;
    let beats = 0;
    for await (const { event, id } of client.events()) {
      last = id ?? last;
      if (event === 'beat' && (beats += 1) === 3) break;
    }
    clearInterval(elsewhere);
    const place = Number(last?.split('-')[1]);
    expect(place).toBeGreaterThan(10);
    for await (const { event } of client.events({ 'Last-Event-ID': last ?? '' })) {
      expect(event).toBe('beat');
      break;
    }
  });

  test('rights that changed while a client was away: it gets all anew', async () => {
    scene.hosts.put(host('rack1-01'));
    scene.hosts.put(host('rack9-01', { namespace: 'other' }));
    await scene.start({ timing: { gatherMs: 1, heartbeatMs: 20, accessMs: 0 } });
    const client = await scene.loggedIn(scene.user('bob', 'list physicalhosts default', 'list physicalhosts other'));
    let last: string | undefined;
    for await (const { id } of client.events()) {
      last = id;
      if (id !== undefined) break;
    }
    scene.rights.delete('bob list physicalhosts other');
    for await (const { event, data } of client.events({ 'Last-Event-ID': last ?? '' })) {
      expect(event).toBe('snapshot');
      expect((data as Snapshot).hosts.map(({ name }) => name)).toEqual(['rack1-01']);
      break;
    }
  });

  test('one who takes nothing is cut off, and nothing is made for it meanwhile', async () => {
    await scene.start();
    for (let index = 0; index < 1000; index += 1) scene.hosts.put(host(`h-${index}`));
    const feed = new FleetFeed(scene);
    const written: string[] = [];
    const socket = new EventEmitter();
    const response = Object.assign(socket, {
      isDestroyed: false,
      writableFinished: true,
      // The first line is taken, then the buffers are full.
      write: (text: string) => written.push(text) < 2,
      end: () => undefined,
      destroy: () => void (response.isDestroyed = true),
    });
    await streamFleet(response as unknown as ServerResponse, {
      ...{ feed, lastId: undefined, gatherMs: 1, heartbeatMs: 1000, stalledMs: 20 },
      scope: () => Promise.resolve({ name: 'all', sees: all }),
      signal: new AbortController().signal,
    });
    feed.stop();
    expect(response.isDestroyed).toBe(true);
    expect(written).toHaveLength(2);
    expect(socket.listenerCount('drain')).toBe(0);
  });
});
