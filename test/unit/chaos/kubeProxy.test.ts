import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { KubeProxy } from '../../chaos/kubeProxy.ts';
import { Random } from '../../chaos/random.ts';
import { Agent, request } from 'undici';

let server: Server;
let proxy: KubeProxy;
let agent: Agent;
let opened: ServerResponse[];

beforeEach(async () => {
  opened = [];
  agent = new Agent();
  server = createServer((_incoming, answer) => {
    if (answer.writableEnded) return;
    answer.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    opened.push(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = new KubeProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, '', new Random(1));
  await proxy.listen();
});

afterEach(async () => {
  await agent.destroy();
  await proxy.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** What a watch through the proxy tells until it ends. */
async function watch(): Promise<{ text: () => string; ended: Promise<unknown> }> {
  const { body } = await request(`${proxy.url('p')}/api/v1/things?watch=true`, { dispatcher: agent });
  let text = '';
  body.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { text: () => text, ended: new Promise((resolve) => body.once('end', resolve).once('error', resolve)) };
}

const until = async (what: () => boolean) => {
  for (let tries = 0; tries < 2_000 && !what(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(what()).toBe(true);
};
const event = (name: string) => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })}\n`;
const isExpired = { type: 'ERROR', object: expect.objectContaining({ kind: 'Status', code: 410, reason: 'Expired' }) };

test('an open watch is told that it is too old and ends; the API server sees it closed', async () => {
  const { text, ended } = await watch();
  opened[0]?.write(event('a'));
  await until(() => text() === event('a'));
  const isClosed = new Promise((resolve) => opened[0]?.once('close', resolve));
  expect([proxy.expireWatches(0), proxy.expireWatches(1)]).toEqual([0, 1]);
  await ended;
  await isClosed;
  const lines = text().trimEnd().split('\n');
  expect([lines.length, JSON.parse(lines[1] ?? '')]).toEqual([2, isExpired]);
  expect([...proxy.counts]).toEqual([['gone in an open watch', 1]]);
  expect(proxy.cutWatches()).toBe(0);
});

test('a line that is under way comes whole before that, and nothing after it', async () => {
  const { text, ended } = await watch();
  opened[0]?.write(event('a').slice(0, 10));
  await until(() => text().length === 10);
  proxy.expireWatches(1);
  opened[0]?.write(event('a').slice(10) + event('b'));
  await ended;
  const lines = text().trimEnd().split('\n');
  expect(`${lines[0]}\n`).toBe(event('a'));
  expect([lines.length, JSON.parse(lines[1] ?? '')]).toEqual([2, isExpired]);
});

test('the hook of a namespace sees what is about its objects, and nothing of another one', async () => {
  const seen: string[] = [];
  proxy.hooks.set('own', ({ path }) => {
    seen.push(path);
    return { status: 200, body: '"hooked"' };
  });
  server.prependListener('request', (_incoming, answer) => void answer.end('"forwarded"'));
  const ask = async (path: string) => {
    const { body } = await request(`${proxy.url('p')}${path}`, { dispatcher: agent });
    return body.json();
  };
  const own = ['/api/v1/namespaces/own/things/a', '/api/v1/namespaces/own'];
  const others = ['/api/v1/namespaces/owner/things/a', '/api/v1/things'];
  for (const path of own) expect(await ask(path)).toBe('hooked');
  for (const path of others) expect(await ask(path)).toBe('forwarded');
  expect(seen).toEqual(own);
});

test('a late watch is late by one delay, however many events it has', async () => {
  proxy.delayWatchesMs = 400;
  const { text, ended } = await watch();
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await new Promise((resolve) => opened[0]?.write(event(name), resolve));
  expect(text()).toBe('');
  await until(() => text() !== '');
  // Its timer is set after those of the events.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(text()).toBe(names.map(event).join(''));
  opened[0]?.end();
  await ended;
});
