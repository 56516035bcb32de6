import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ListenError } from '../../../api/index.ts';
import { closeRaw, raw } from './raw.ts';
import { REPORT } from './reports.ts';
import { CLAIM, inMs, NONCE, Scene, TOKEN } from './scene.ts';

const FAST = { headersMs: 80, requestMs: 150, idleMs: 100, stopMs: 300, checkMs: 20 };
const OPENED = { handover: { claim: CLAIM, openedAt: inMs(-1000) } };

let scene: Scene | undefined;
afterEach(async () => {
  closeRaw();
  await scene?.stop();
  scene = undefined;
});

describe('rate limits', () => {
  test('per source: 429 and when to come again, on any route', async () => {
    scene = await new Scene().start({ rates: { perSource: { burst: 2, perSecond: 0.5 } } });
    const path = `/api/v1/boot/default/server-01/${NONCE}`;
    expect((await scene.call('GET', path)).status).toBe(200);
    expect((await scene.call('GET', '/elsewhere')).status).toBe(404);
    const answer = await scene.call('GET', path, { boot: true });
    expect(answer).toMatchObject({ status: 429, body: '{"error":"too many requests"}' });
    expect(answer.headers['retry-after']).toBe('2');
    expect(scene.kube.count('get', 'physicalhosts')).toBe(1);
  });
  test('per host: another host goes on', async () => {
    scene = await new Scene().start({ rates: { perHost: { burst: 1, perSecond: 0.1 } } });
    scene.host({ status: OPENED });
    scene.host({ name: 'server-02', status: OPENED });
    const ask = (host: string) => scene?.call('GET', `/api/v1/bootstrap/default/${host}`, { bearer: TOKEN });
    expect((await ask('server-01'))?.status).toBe(200);
    expect((await ask('server-01'))?.status).toBe(429);
    expect((await ask('server-02'))?.status).toBe(200);
  });
  test('per namespace: those of another one go on, whoever names it uses up nothing, and the last word counts', async () => {
    scene = await new Scene().start({ rates: { perNamespace: { burst: 2, perSecond: 0.1 } } });
    scene.host({ status: OPENED });
    scene.host({ namespace: 'other', status: OPENED });
    const boot = async (namespace: string, nonce = NONCE) =>
      (await scene?.call('GET', `/api/v1/boot/${namespace}/server-01/${nonce}`))?.status;
    const bootstrap = async (namespace: string, bearer = TOKEN) =>
      (await scene?.call('GET', `/api/v1/bootstrap/${namespace}/server-01`, { bearer }))?.status;
    for (let guess = 0; guess < 5; guess += 1) {
      expect(await boot('default', `guess-${guess}`)).toBe(404);
      expect(await bootstrap('default', `guess-${guess}`)).toBe(401);
    }
    expect([await boot('default'), await bootstrap('default')]).toEqual([200, 200]);
    expect([await boot('default'), await bootstrap('default')]).toEqual([429, 429]);
    expect(await bootstrap('other')).toBe(200);
    expect((await scene.call('POST', '/api/v1/provisioned/default/server-01', { bearer: TOKEN })).status).toBe(202);
  });
  test('X-Forwarded-For is not believed', async () => {
    scene = await new Scene().start({ rates: { perSource: { burst: 1, perSecond: 0.1 } } });
    const forwarded = (address: string) => ({ headers: { 'X-Forwarded-For': address } });
    await scene.call('GET', '/x', forwarded('10.0.0.1'));
    expect((await scene.call('GET', '/x', forwarded('10.0.0.2'))).status).toBe(429);
  });
});

describe('slow senders are cut off', () => {
  const head = `POST /api/v1/inspection/default/server-01 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  test('in the headers', async () => {
    scene = await new Scene().start({ timeouts: FAST });
    const { closed } = raw(scene.api.callbackAddress.port, 'GET / HTTP/1.1\r\nHost:');
    expect(await closed).toContain('408');
  });
  test('in the body', async () => {
    scene = await new Scene().start({ timeouts: FAST });
    const { closed } = raw(
      scene.api.callbackAddress.port,
      `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"cpus"`,
    );
    expect(await closed).toContain('408');
    expect(scene.live().status?.inspection).toBeUndefined();
  });
  test('byte by byte', async () => {
    scene = await new Scene().start({ timeouts: FAST });
    const { socket, closed } = raw(
      scene.api.callbackAddress.port,
      `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n`,
    );
    const timer = setInterval(() => socket.write(' '), 20);
    expect(await closed).toContain('408');
    clearInterval(timer);
  });
  test('a sender that goes away in the middle leaves nothing behind', async () => {
    scene = await new Scene().start();
    const { socket } = raw(
      scene.api.callbackAddress.port,
      `${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"cpus"`,
    );
    await scene.until(() => scene?.kube.count('get', 'physicalhosts') === 1);
    socket.destroy();
    await scene.until(() => scene?.logs.some(({ fields }) => fields.status === 400) === true);
    expect(scene.live().status?.inspection).toBeUndefined();
  });
  test('idle connections are kept for a minute', async () => {
    scene = await new Scene().start();
    const { socket } = raw(scene.api.callbackAddress.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const first = await new Promise<string>((resolve) =>
      socket.once('data', (chunk: Buffer) => resolve(String(chunk))),
    );
    expect(first).toContain('Keep-Alive: timeout=60');
  });
});

describe('stop', () => {
  test('requests in flight finish, new ones find nobody', async () => {
    scene = await new Scene().start();
    scene.host({ status: OPENED });
    let goOn = () => {};
    const isHeld = new Promise<void>((resolve) => (goOn = resolve));
    scene.kube.before = ({ verb }) => (verb === 'patch' ? isHeld : undefined);
    const inFlight = scene.report();
    await scene.until(() => scene?.kube.count('patch', 'physicalhosts') === 1);
    const stopped = scene.stop();
    await expect(scene.call('GET', '/x')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    goOn();
    const answer = await inFlight;
    expect(answer.status).toBe(202);
    expect(answer.headers.connection).toBe('close');
    await stopped;
    // The signal that was due has been sent.
    expect(scene.signals).toHaveLength(1);
  });
  test('does not wait for ever', async () => {
    scene = await new Scene().start({ timeouts: { stopMs: 50 } });
    scene.kube.before = () => new Promise(() => {});
    const inFlight = expect(scene.report()).rejects.toThrow();
    await scene.until(() => scene?.kube.calls.length === 1);
    await scene.stop();
    await inFlight;
  });
});

describe('start', () => {
  test('a port in use: one line that names it and the flag; nothing stays open', async () => {
    scene = await new Scene().start();
    const bootBindAddress = scene.api.callbackAddress;
    const failed = new Scene().start({ bootBindAddress });
    await expect(failed).rejects.toThrow(ListenError);
    await expect(failed).rejects.toThrow(
      `beskar7: 127.0.0.1:${bootBindAddress.port} is in use; choose another with --boot-bind-address`,
    );
  });
});

describe('images', () => {
  test('files of the folder and nothing else', async () => {
    const root = await mkdtemp(join(tmpdir(), 'beskar7-images-'));
    const folder = join(root, 'images');
    await mkdir(join(folder, 'inspector'), { recursive: true });
    await writeFile(join(folder, 'inspector', 'vmlinuz'), 'kernel');
    await writeFile(join(folder, 'empty'), '');
    await writeFile(join(folder, '.hidden'), 'x');
    await writeFile(join(root, 'secret'), 'x');
    await mkdir(join(root, 'images-too'));
    await writeFile(join(root, 'images-too', 'file'), 'x');
    await symlink(join(root, 'secret'), join(folder, 'link'));
    await symlink(join(root, 'images-too'), join(folder, 'sibling'));
    const opened = await new Scene().start({ imagesFolder: folder });
    scene = opened;
    const get = (path: string, boot = true) => opened.call('GET', path, { boot });
    expect(await get('/images/inspector/vmlinuz')).toMatchObject({ status: 200, body: 'kernel' });
    expect(await get('/images/inspector/vmlinuz', false)).toMatchObject({ status: 200, body: 'kernel' });
    expect(await get('/images/empty')).toMatchObject({ status: 200, body: '' });
    const head = await opened.call('HEAD', '/images/inspector/vmlinuz');
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': '6' } });
    const paths = ['', 'none', 'inspector', 'inspector/', '.hidden', 'link', 'sibling/file', '..', '%2e%2e/secret'];
    const odd = ['..%2fsecret', '../secret', 'inspector/../../secret', 'a%00', '%', '..%5csecret', '/etc/passwd'];
    for (const path of [...paths, ...odd]) {
      expect({ path, ...(await get(`/images/${path}`)) }).toMatchObject({ path, status: 404, body: 'not found' });
    }
    await rm(root, { recursive: true });
  });
});

test.each([['http://[/images/os'], ['http://127.0.0.1/nowhere'], ['*']])(
  'the target %s: the one 404, as for any path',
  async (target) => {
    scene ??= await new Scene().start();
    for (const boot of [true, false])
      expect(await scene.call('GET', target, { boot })).toMatchObject({ status: 404, body: 'not found' });
  },
);

describe('a range of an image', () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'beskar7-ranges-'));
    await writeFile(join(root, 'os'), '0123456789');
    await writeFile(join(root, 'empty'), '');
  });
  afterAll(() => rm(root, { recursive: true }));
  const get = async (range: string, headers: Record<string, string> = {}, file = 'os') => {
    scene ??= await new Scene().start({ imagesFolder: root });
    return scene.call('GET', `/images/${file}`, { boot: true, headers: { range, ...headers } });
  };

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ['bytes=5-99', '56789', 'bytes 5-9/10'],
  ])('%s', async (range, body, told) => {
    const answer = await get(range);
    expect(answer).toMatchObject({ status: 206, body });
    expect(answer.headers).toMatchObject({ 'content-range': told, 'content-length': String(body.length) });
  });

  test.each([['bytes=10-'], ['bytes=99-100'], ['bytes=-0']])('%s lies outside', async (range) => {
    expect(await get(range)).toMatchObject({ status: 416, body: '', headers: { 'content-range': 'bytes */10' } });
  });

  test.each([['bytes=5-2'], ['bytes=0-1,4-5'], ['bytes=-'], ['lines=1-2'], ['bytes=a-b'], ['']])(
    '%j is answered whole',
    async (range) => {
      expect(await get(range)).toMatchObject({
        status: 200,
        body: '0123456789',
        headers: { 'accept-ranges': 'bytes' },
      });
    },
  );

  test('goes on with the file that was begun, and with no other', async () => {
    const etag = String((await get('')).headers.etag);
    expect(await get('bytes=8-', { 'if-range': etag })).toMatchObject({ status: 206, body: '89' });
    expect(await get('bytes=8-', { 'if-range': '"another"' })).toMatchObject({ status: 200, body: '0123456789' });
    expect(await get('bytes=0-', {}, 'empty')).toMatchObject({ status: 416 });
    expect(await get('', {}, 'empty')).toMatchObject({ status: 200, body: '', headers: { 'content-length': '0' } });
  });
});

test('a rack of servers reports at once', async () => {
  const opened = await new Scene().start();
  scene = opened;
  for (let index = 0; index < 150; index += 1) opened.host({ name: `sim-${index}` });
  const body = JSON.stringify(REPORT);
  const answers = await Promise.all(
    Array.from({ length: 150 }, (_, index) =>
      opened.call('POST', `/api/v1/inspection/default/sim-${index}`, { bearer: TOKEN, body }),
    ),
  );
  expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
  await opened.until(() => opened.signals.length === 150);
});
