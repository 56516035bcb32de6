import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockList, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { listen } from '../../../http/listener.ts';
import { budgetOf } from '../../../http/source.ts';
import { makeAuthority, makeServing } from '../../../webhooks/certificates.ts';
import { closeRaw, raw } from '../api/raw.ts';
import { NONCE, Scene } from '../api/scene.ts';

const FAST = { headersMs: 150, requestMs: 300, idleMs: 100, stopMs: 300, checkMs: 20 };
const SCRIPT = `/api/v1/boot/default/server-01/${NONCE}`;

let scene: Scene | undefined;
afterEach(async () => {
  closeRaw();
  await scene?.stop();
  scene = undefined;
});

/** Opens so many connections that say nothing, one after the other; gives those that the server closed at once. */
async function idle(port: number, count: number, localAddress = '127.0.0.1') {
  const all = Array.from({ length: count }, () => raw(port, '', localAddress));
  await Promise.all(all.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
  return all;
}

describe('many connections', () => {
  test('one address cannot use up all of them, and gets new ones when it closes old ones', async () => {
    scene = await new Scene().start({ connections: { max: 100, maxPerSource: 4 } });
    const { port } = scene.api.callbackAddress;
    const [first] = await idle(port, 4, '127.0.0.9');
    expect(await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', '127.0.0.9').closed).toBe('');
    expect((await scene.call('GET', SCRIPT)).status).toBe(200);
    first?.socket.destroy();
    await first?.closed;
    const again = () => raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '127.0.0.9').closed;
    // The server may learn of the end a moment after us.
    let answer = '';
    for (const until = Date.now() + 5_000; answer === '' && Date.now() < until;) answer = await again();
    expect(answer).toContain('HTTP/1.1 404 ');
    const told = scene.logs.filter(({ message }) => message.startsWith('too many connections'));
    expect(told).toHaveLength(1);
    expect(told[0]?.fields).toMatchObject({ source: '127.0.0.9', maxPerSource: 4 });
  });

  test('a listed proxy is not counted', async () => {
    scene = await new Scene().start({ connections: { maxPerSource: 2 }, trustedProxies: ['127.0.0.9'] });
    const { port } = scene.api.callbackAddress;
    await idle(port, 5, '127.0.0.9');
    const last = raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '127.0.0.9');
    expect(await last.closed).toContain('HTTP/1.1 404 ');
  });

  test('above the number in all they are closed at once, and the other listener goes on', async () => {
    scene = await new Scene().start({ connections: { max: 3 } });
    const { port } = scene.api.callbackAddress;
    await idle(port, 3);
    expect(await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n').closed).toBe('');
    expect((await scene.call('GET', SCRIPT, { boot: true })).status).toBe(200);
    expect(scene.logs.some(({ message }) => message.startsWith('too many connections'))).toBe(true);
  });

  test('500 slow senders at once are all cut off, and hold nobody off meanwhile', async () => {
    scene = await new Scene().start({ timeouts: { ...FAST, headersMs: 1_500, requestMs: 10_000, checkMs: 50 } });
    const opened = scene;
    const { port } = scene.api.callbackAddress;
    const slow = await idle(port, 500);
    for (const { socket } of slow) socket.write('GET / HTTP/1.1\r\nHost:');
    const answers = await Promise.all(Array.from({ length: 20 }, () => opened.call('GET', SCRIPT)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const ends = await Promise.all(slow.map(({ closed }) => closed));
    expect(ends.filter((end) => !end.startsWith('HTTP/1.1 408 '))).toEqual([]);
  });
});

describe('slow readers', () => {
  test('one who stops reading a file is cut off', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'beskar7-slow-'));
    await writeFile(join(folder, 'os'), '');
    await truncate(join(folder, 'os'), 64 * 1024 * 1024);
    scene = await new Scene().start({ imagesFolder: folder, timeouts: FAST });
    const { socket } = raw(scene.api.bootAddress.port, 'GET /images/os HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    await scene.until(() => scene?.logs.some(({ message }) => message === 'an answer was cut short') === true);
    await rm(folder, { recursive: true });
  });
});

describe('a reader that takes its time', () => {
  test('never stops, and takes too long for an answer that is all there: cut off', async () => {
    const timeouts = { ...FAST, requestMs: 1_000 };
    const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const big = Buffer.alloc(64 * 2 ** 20);
    const listener = await listen((_request, response) => void response.end(big), {
      ...{ flag: 'test', address: { host: '127.0.0.1', port: 0 }, timeouts, logger, trusted: new BlockList() },
      connections: { max: 10, maxPerSource: 10 },
    });
    const socket = connect(listener.address.port, '127.0.0.1');
    socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    let taken = 0;
    const slowly = setInterval(() => (taken += (socket.read(65_536) as Buffer | null)?.length ?? 0), 20);
    socket.on('readable', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(slowly);
    expect(taken).toBeLessThan(big.length);
    await listener.stop();
  });
});

describe('slow handshakes', () => {
  test('a client that never begins TLS is cut off, and so is one that speaks TLS 1.1', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'beskar7-tls-'));
    const authority = makeAuthority('beskar7-callbacks', 30);
    const { certificate, key } = makeServing(authority, ['127.0.0.1'], 30);
    await writeFile(join(folder, 'tls.crt'), certificate);
    await writeFile(join(folder, 'tls.key'), key);
    scene = await new Scene().start({ tlsCertDir: folder, timeouts: FAST });
    const { port } = scene.api.callbackAddress;
    expect(await raw(port, '').closed).toBe('');
    const options = { port, host: '127.0.0.1', ca: authority.certificate, ciphers: 'DEFAULT@SECLEVEL=0' };
    const handshake = (maxVersion: 'TLSv1.1' | 'TLSv1.2') =>
      new Promise<string>((resolve) => {
        const socket = connectTls({ ...options, minVersion: 'TLSv1', maxVersion }, () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
        socket.on('error', () => resolve('refused'));
      });
    expect(await handshake('TLSv1.2')).toBe('TLSv1.2');
    expect(await handshake('TLSv1.1')).toBe('refused');
    await rm(folder, { recursive: true });
  });
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::10.0.0.1', '64:ff9b:0:0::/64'],
  ['unknown', 'unknown'],
])('%s takes from the budget of %s', (source, budget) => expect(budgetOf(source)).toBe(budget));

test('whoever has a /64 has one budget, not 2^64', async () => {
  scene = await new Scene().start({
    rates: { perSource: { burst: 2, perSecond: 0.1 } },
    trustedProxies: ['127.0.0.1'],
  });
  const opened = scene;
  const from = async (address: string) =>
    (await opened.call('GET', SCRIPT, { headers: { 'X-Forwarded-For': address } })).status;
  expect([await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8::3')]).toEqual([200, 200, 429]);
  expect(await from('2001:db8:0:1::1')).toBe(200);
});
