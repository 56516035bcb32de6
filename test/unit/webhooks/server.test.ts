import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { Readable } from 'node:stream';
import path from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Agent, request } from 'undici';
import type { KubeClient } from '../../../kube/client.ts';
import { freePorts } from '../../../tools/controlplane/ports.ts';
import { held } from '../../support/heldLoop.ts';
import { makeAuthority, makeServing } from '../../../webhooks/certificates.ts';
import { Webhook, WebhookListenError } from '../../../webhooks/index.ts';
import { listenWebhook, Paced } from '../../../webhooks/server.ts';

const logger = pino({ level: 'silent' });
const authority = makeAuthority('beskar7-webhook-ca', 3650);
const serving = () => makeServing(authority, ['127.0.0.1'], 365);

describe('what anybody may send', () => {
  const { certificate, key } = serving();
  const agent = new Agent({ connect: { ca: authority.certificate } });
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = await listenWebhook({ host: '127.0.0.1', port: 0 }, { certificate, key }, logger);
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/convert`;
  });
  afterAll(async () => {
    await agent.close();
    server.close();
  });
  const post = async (body: string | Buffer) => {
    const answer = await request(url, { method: 'POST', body, dispatcher: agent });
    return { status: answer.statusCode, text: await answer.body.text() };
  };

  test('more bytes than a review has, and fewer bytes that would be many objects: refused before they are parsed', async () => {
    expect(await post(Buffer.alloc(16 * 2 ** 20 + 1, ' '))).toMatchObject({ status: 413 });
    expect(await post(`[${'{},'.repeat(1_100_000)}{}]`)).toMatchObject({ status: 413 });
  });

  test('no review, no JSON, another method: said so, and a review after them is answered', async () => {
    expect(await post('{')).toMatchObject({ status: 400 });
    expect(await post('[]')).toMatchObject({ status: 400 });
    const { statusCode, body } = await request(url, { dispatcher: agent });
    expect(statusCode).toBe(404);
    await body.dump();
    const review = { uid: 'u', desiredAPIVersion: 'infrastructure.cluster.x-k8s.io/v1beta2', objects: [] };
    const asked = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview', request: review };
    const { status, text } = await post(JSON.stringify(asked));
    expect({ status, text }).toEqual({ status: 200, text: expect.stringContaining('"uid":"u"') });
  });

  test.each([
    ['4 MB of lists in lists', '['.repeat(4e6)],
    ['1 MiB of objects in objects', '{"a":'.repeat(200_000)],
  ])('%s: refused, and nobody waits for it', async (_what, body) => {
    const { answer, heldMs } = await held(() => post(body));
    expect(answer).toMatchObject({ status: 413 });
    expect(heldMs).toBeLessThan(100);
  });
  test('many long bodies that do not end: the ones above the bound are refused, and the place they took is given back', async () => {
    const over = new AbortController();
    const part = Buffer.alloc(15 * 2 ** 20, ' ');
    const unending = async function* () {
      yield part;
      await new Promise((_resolve, reject) => over.signal.addEventListener('abort', () => reject(new Error('gone'))));
    };
    const slow = Array.from({ length: 5 }, () =>
      request(url, {
        method: 'POST',
        body: Readable.from(unending()),
        dispatcher: new Agent({ connect: { ca: authority.certificate } }),
      }).then(
        ({ statusCode }) => statusCode,
        () => 0,
      ),
    );
    expect(await Promise.race(slow)).toBe(503);
    over.abort();
    await Promise.all(slow);
    for (;;) if ((await post('[]')).status === 400) break;
  });
});

describe('a certificate of somebody else', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-webhook-'));
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
  const kube = {
    get: () => Promise.resolve({ metadata: { uid: 'u', resourceVersion: '1' }, spec: {} }),
    mergePatch: () => Promise.resolve({}),
  } as unknown as KubeClient;
  afterAll(() => rmSync(folder, { recursive: true }));

  const shownAt = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate }, () => {
        resolve(socket.getPeerX509Certificate()?.toString() ?? '');
        socket.destroy();
      });
      socket.on('error', reject);
    });
  const until = async (isSo: () => Promise<boolean> | boolean) => {
    for (const end = Date.now() + 20_000; !(await isSo());)
      if (Date.now() > end) throw new Error('not within 20 s');
      else await new Promise((resolve) => setImmediate(resolve));
  };

  test('is looked at between the writes of its two files: the old one is shown, then the new one; a taken port is said at once', async () => {
    const [port = 0] = await freePorts(1);
    const options = {
      bindAddress: { host: '127.0.0.1', port },
      service: { namespace: 'n', name: 's' },
      certificateFolder: folder,
      checkMs: 10,
    };
    const [first, second] = [serving(), serving()];
    write('tls.crt', first.certificate);
    write('tls.key', second.key);
    const webhook = new Webhook({ kube, logger }, options);
    await webhook.start();
    expect(webhook.problem()).toMatch(/mismatch/);
    write('tls.key', first.key);
    await until(() => webhook.problem() === undefined);
    expect(await shownAt(port)).toBe(first.certificate);
    await expect(new Webhook({ kube, logger }, options).start()).rejects.toThrow(WebhookListenError);

    write('tls.crt', second.certificate);
    await until(() => webhook.problem() !== undefined);
    expect(await shownAt(port)).toBe(first.certificate);
    write('tls.key', second.key);
    await until(async () => (await shownAt(port)) === second.certificate);
    await until(() => webhook.problem() === undefined);
    await webhook.stop();
  });
});

test('a review that takes long is followed by a pause as long, whatever waits', async () => {
  const paced = new Paced();
  const times: { began: number; ended: number }[] = [];
  const work = (ms: number) => () => {
    const began = performance.now();
    while (performance.now() - began < ms);
    times.push({ began, ended: performance.now() });
  };
  const fails = paced.run(() => {
    work(60)();
    throw new Error('no review');
  });
  await Promise.all([
    expect(fails).rejects.toThrow('no review'),
    paced.run(work(60)),
    paced.run(work(1)),
    paced.run(work(1)),
  ]);
  const pauses = times.slice(1).map(({ began }, at) => began - (times[at]?.ended ?? 0));
  expect(pauses[0]).toBeGreaterThanOrEqual(58);
  expect(pauses[1]).toBeGreaterThanOrEqual(58);
  expect(pauses[2]).toBeLessThan(58);
});
