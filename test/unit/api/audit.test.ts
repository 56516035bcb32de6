import crypto from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createLogger } from '../../../workers/logger.ts';
import { REPORT } from './reports.ts';
import { CLAIM, inMs, NONCE, OLD_TOKEN, Scene, TOKEN } from './scene.ts';

const OPENED = { handover: { claim: CLAIM, openedAt: inMs(-1000) } };
const SECRETS = [TOKEN, NONCE, OLD_TOKEN];

let scene: Scene;
beforeEach(async () => {
  scene = await new Scene().start();
});
afterEach(() => scene.stop());

const lines = () => scene.logs.filter(({ fields }) => 'requestId' in fields);
/** Everything that a log could make of it: messages and stacks of errors, too, which JSON leaves out. */
const whole = () => inspect([scene.logs, scene.events, scene.live()], { depth: 20, maxStringLength: null });

describe('one audit line per callback', () => {
  test('says who asked what of which host, with which claim, what came of it, and the id in the answer', async () => {
    scene.host({ status: OPENED });
    const calls = [
      await scene.call('GET', `/api/v1/boot/default/server-01/${NONCE}`),
      await scene.report(),
      await scene.call('GET', '/api/v1/bootstrap/default/server-01', { bearer: TOKEN }),
      await scene.call('POST', '/api/v1/provisioned/default/server-01', { bearer: TOKEN }),
      await scene.call('POST', '/api/v1/os-ready/default/server-01', { bearer: TOKEN }),
      await scene.call('POST', '/api/v1/provision-failed/default/server-01', { bearer: OLD_TOKEN }),
      await scene.call('GET', '/elsewhere'),
    ];
    const ids = calls.map(({ headers }) => headers['x-request-id']);
    expect(new Set(ids).size).toBe(calls.length);
    expect(lines().map(({ fields }) => fields.requestId)).toEqual(ids);
    const about = { namespace: 'default', host: 'server-01', source: '127.0.0.1' };
    const known = { ...about, claim: CLAIM };
    expect(lines().map(({ level, fields }) => ({ level, ...fields }))).toMatchObject(
      [
        { level: 'info', route: '/boot/{ns}/{host}/{nonce}', status: 200, outcome: 'boot script served', ...known },
        { level: 'info', route: '/inspection/{ns}/{host}', status: 202, outcome: 'report stored', ...known },
        { level: 'info', route: '/bootstrap/{ns}/{host}', status: 200, outcome: '0 bytes of bootstrap data served' },
        { level: 'info', route: '/provisioned/{ns}/{host}', method: 'POST', status: 202, ...known },
        { level: 'info', route: '/os-ready/{ns}/{host}', status: 202, ...known },
        {
          level: 'warn',
          route: '/provision-failed/{ns}/{host}',
          status: 401,
          reason: /not that of the claim/,
          ...about,
        },
        { level: 'warn', route: 'unknown', status: 404, reason: 'no such route' },
      ].map((line) =>
        'reason' in line && line.reason instanceof RegExp
          ? { ...line, reason: expect.stringMatching(line.reason) }
          : line,
      ),
    );
    expect(lines()[5]?.fields).not.toHaveProperty('claim');
  });

  test('a client cannot choose the id', async () => {
    const { headers } = await scene.call('GET', '/x', { headers: { 'X-Request-Id': 'forged\tid' } });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('no secret is logged', () => {
  test('not on any route, right or wrong, well or broken, and not in the text of an error', async () => {
    const answers: string[] = [];
    for (const isBroken of [false, true]) {
      scene.kube.before = () => {
        if (isBroken) throw new Error('the API server is away');
      };
      for (const bearer of [TOKEN, OLD_TOKEN, NONCE]) {
        for (const route of ['inspection', 'provisioned', 'provision-failed', 'os-ready', 'bootstrap', bearer]) {
          const method = route === 'bootstrap' ? 'GET' : 'POST';
          const path = `/api/v1/${route}/default/server-01`;
          answers.push(
            inspect(await scene.call(method, path, { bearer, ...(method === 'POST' ? { body: '{' } : {}) })),
          );
          answers.push(inspect(await scene.call('GET', `${path}/${bearer}?mac=${bearer}`, { bearer })));
        }
        if (isBroken) await scene.call('GET', `/api/v1/boot/default/server-01/${bearer}`);
      }
    }
    expect(lines().length).toBeGreaterThan(50);
    for (const secret of SECRETS) {
      expect(whole().includes(secret)).toBe(false);
      expect(answers.some((answer) => answer.includes(secret))).toBe(false);
    }
  });

  test('the bearer in a reason or a report is cut out before it is stored', async () => {
    const said = { reason: `curl: (22) Authorization: Bearer ${TOKEN} failed` };
    const report = JSON.stringify({ ...REPORT, system: { ...REPORT.system, model: `x ${TOKEN}` } });
    // As JSON allows, too: with an escape in it.
    await scene.report(report.replace(TOKEN, `\\u0074${TOKEN.slice(1)}`));
    expect(scene.live().status?.inspectionReport?.system?.model).toBe('x [secret]');
    await scene.call('POST', '/api/v1/provision-failed/default/server-01', {
      bearer: TOKEN,
      body: JSON.stringify(said),
    });
    expect(scene.live().status?.handover?.reason).toBe('curl: (22) Authorization: Bearer [secret] failed');
    scene.host();
    const refused = await scene.report(JSON.stringify({ ...REPORT, version: TOKEN }));
    expect(refused.status).toBe(400);
    expect(refused.body).toContain('[secret]');
    expect(whole()).not.toContain(TOKEN.slice(0, 20));
  });

  test("the process's logger cuts fields that hold one, should somebody log a request", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'beskar7-log-'));
    const file = join(folder, 'log');
    const logger = createLogger({ level: 'trace', file });
    logger.info({
      headers: { authorization: `Bearer ${TOKEN}` },
      nonce: NONCE,
      request: { headers: { authorization: TOKEN } },
    });
    // The file is opened and written in the background.
    await scene.until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('[secret]');
    for (const secret of SECRETS) expect(text).not.toContain(secret);
    await rm(folder, { recursive: true });
  });
});

describe('secrets are compared in constant time', () => {
  test('by digests of one length, however much of the secret is right', async () => {
    const compare = jest.spyOn(crypto, 'timingSafeEqual');
    const wrong = [0, 1, 21, 42].map((right) => TOKEN.slice(0, right).padEnd(43, 'x'));
    for (const bearer of [...wrong, TOKEN])
      await scene.call('POST', '/api/v1/provisioned/default/server-01', { bearer });
    for (const nonce of [NONCE.slice(0, 42), `${NONCE.slice(0, 42)}x`, NONCE])
      await scene.call('GET', `/api/v1/boot/default/server-01/${nonce}`);
    const lengths = compare.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength]);
    const results = compare.mock.results.map(({ value }) => value as boolean);
    compare.mockRestore();
    // The last is the token out of the Secret against the hash in the claim.
    expect(results).toEqual([false, false, false, false, true, false, false, true, true]);
    expect(lengths).toEqual(results.map(() => [32, 32]));
  });
});
