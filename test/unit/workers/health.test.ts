import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Health } from '../../../workers/health.ts';

let health: Health;
let url: string;
let stop: () => void;

beforeEach(async () => {
  health = new Health();
  const server = await health.listen({ host: '127.0.0.1', port: 0 }, pino({ level: 'silent' }));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  stop = () => {
    server.close();
    server.closeAllConnections();
  };
});
afterEach(() => stop());

async function get(path: string): Promise<[number, string]> {
  const response = await fetch(`${url}${path}`);
  return [response.status, await response.text()];
}

test('ready when every check is well', async () => {
  health.set('caches', () => undefined);
  expect(await get('/readyz')).toEqual([200, 'ok\n']);
});

test('not ready while one that decides is not well, and says what is missing', async () => {
  let problem: string | undefined = 'not filled';
  health.set('caches', () => problem);
  expect(await get('/readyz')).toEqual([503, '{"caches":"not filled"}\n']);
  expect(await get('/healthz')).toEqual([200, 'ok\n']);
  problem = undefined;
  expect(await get('/readyz')).toEqual([200, 'ok\n']);
});

test('what does not decide is told, and requests go on being sent here', async () => {
  health.set('caches', () => undefined);
  health.set('temporal', () => 'cannot be reached', { decides: false });
  expect(await get('/readyz')).toEqual([200, '{"temporal":"cannot be reached"}\n']);
});

test('a process that stops is not ready', async () => {
  health.stopping();
  expect(await get('/readyz')).toEqual([503, '{"process":"is shutting down"}\n']);
});
