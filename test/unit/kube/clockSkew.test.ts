import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ClockSkew } from '../../../kube/clockSkew.ts';
import { clockGuard } from '../../../workers/clockGuard.ts';
import { clientFor, TestServer } from './httpServer.ts';
import { HOSTS } from '../../../kube/resource.ts';

/** An answer as a process sees it whose clock is ahead by so much; the Date header cuts the milliseconds. */
function answer(clock: ClockSkew, aheadMs: number, serverMs: number, outMs: number, backMs: number): void {
  const header = new Date(Math.floor(serverMs / 1_000) * 1_000).toUTCString();
  clock.note(serverMs + aheadMs - outMs, serverMs + aheadMs + backMs, header);
}

describe('how far the clock is off', () => {
  const way = fc.integer({ min: 0, max: 2_400 });
  const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 10_000_000 }), way, way), { minLength: 3, maxLength: 9 });

  test('a clock that is right is never said to be wrong, however slow the answers are', () => {
    fc.assert(
      fc.property(samples, (all) => {
        const clock = new ClockSkew();
        for (const [at, out, back] of all) answer(clock, 0, 1_700_000_000_000 + at, out, back);
        expect(clock.skewMs()).toBe(0);
      }),
    );
  });

  test('what is said is no more than it is, of the same sign, and less by the travel and a second at most', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: -700_000, max: 700_000 }), (all, aheadMs) => {
        const clock = new ClockSkew();
        for (const [at, out, back] of all) answer(clock, aheadMs, 1_700_000_000_000 + at, out, back);
        const said = clock.skewMs();
        expect(Math.abs(said)).toBeLessThanOrEqual(Math.abs(aheadMs));
        expect(said * aheadMs).toBeGreaterThanOrEqual(0);
        expect(Math.abs(aheadMs - said)).toBeLessThanOrEqual(3_400);
      }),
    );
  });

  test('three answers have to agree, one that disagrees clears it; slow, absent and broken ones do not count', () => {
    const clock = new ClockSkew();
    const now = 1_700_000_000_000;
    answer(clock, 90_000, now, 5, 5);
    answer(clock, 90_000, now, 5, 5);
    expect(clock.problem()).toBeUndefined();
    clock.note(now, now + 10, undefined);
    clock.note(now, now + 10, 'yesterday');
    clock.note(now, now + 60_000, new Date(now).toUTCString());
    answer(clock, 90_000, now, 5, 5);
    expect(clock.problem()).toMatch(/89 s ahead of that of the API server: it makes no call to a BMC/);
    answer(clock, 0, now, 5, 5);
    expect(clock.skewMs()).toBe(0);
    for (let count = 0; count < 3; count += 1) answer(clock, -11 * 60_000, now, 5, 5);
    expect(clock.problem()).toMatch(/behind/);
  });

  test('from 5 s on it is told, from 30 s on nothing begins', async () => {
    const clock = new ClockSkew();
    const next = () => Promise.resolve('done');
    const run = async () => clockGuard(clock)({} as never).inbound?.execute?.({} as never, next);
    for (let count = 0; count < 3; count += 1) answer(clock, 12_000, 1_700_000_000_000, 5, 5);
    expect(clock.problem(5_000)).toMatch(/11 s ahead .* from 30 s on/);
    expect(clock.problem()).toBeUndefined();
    await expect(run()).resolves.toBe('done');
    for (let count = 0; count < 3; count += 1) answer(clock, -660_000, 1_700_000_000_000, 5, 5);
    await expect(run()).rejects.toMatchObject({ type: 'ClockSkew', nonRetryable: false });
  });
});

test('a client of the API server takes it from each answer', async () => {
  const server = new TestServer();
  await server.start();
  server.handler = (_request, response) => {
    const date = new Date(Date.now() + 100_000).toUTCString();
    response.writeHead(200, { 'content-type': 'application/json', date }).end('{"metadata":{"name":"h"}}');
  };
  const kube = clientFor(server.address);
  for (let count = 0; count < 3; count += 1) await kube.get(HOSTS, 'ns', 'h');
  expect(kube.clock.problem()).toMatch(/behind that of the API server/);
  await kube.close();
  await server.stop();
});
