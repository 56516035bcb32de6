import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest } from '@jest/globals';
import { runParts, testWithShell, type ShellRun } from '../../support/inspector.ts';

jest.setTimeout(60_000);

const TOKEN = 'tHIS-iS_tHE-sECRET-bEARER-0123456789abcdefgh';
/** `hang`: the request is taken, an answer never comes. `reset`: likewise, and the connection breaks. */
type Answer = number | 'hang' | 'reset' | { status: number; headers?: Record<string, string>; body?: string };

const seen: {
  method: string;
  url: string;
  authorization: string | undefined;
  type: string | undefined;
  body: string;
}[] = [];
let answers: Answer[] = [];
let server: Server;
let api = '';
let run = '';

function answer(request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => (body += text));
  request.on('end', () => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, authorization: headers.authorization, type: headers['content-type'], body });
    // The last one stays.
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next === 'hang' || next === undefined) return;
    if (next === 'reset') {
      request.socket.destroy();
      return;
    }
    const { status, headers: sent = {}, body: text = '' } = typeof next === 'number' ? { status: next } : next;
    response.writeHead(status, sent).end(text);
  });
}

beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  seen.length = 0;
  run = mkdtempSync(path.join(os.tmpdir(), 'beskar7-calls-'));
});
afterEach(() => {
  server.closeAllConnections();
  rmSync(run, { recursive: true, force: true });
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/**
 * Runs one of the steps as /init does; what it says last is `ok` or `problem: ...`. The time limits are seconds from
 * now.
 */
async function step(
  name: string,
  given: readonly Answer[],
  limits: { now?: number; callSeconds?: number; unclear?: number; at?: string } = {},
): Promise<ShellRun> {
  const { now = 0, callSeconds = 5, unclear = 0, at = api } = limits;
  answers = [...given];
  const cmdline = path.join(run, 'cmdline');
  const parameters = `beskar7.api=${at} beskar7.namespace=default beskar7.host=h-1 beskar7.provider-id=b7://n/h-1/m beskar7.token=${TOKEN} beskar7.target=${at}/t.tar.gz`;
  writeFileSync(cmdline, `quiet loglevel=4 ${parameters} console=ttyS0\n`);
  writeFileSync(path.join(run, 'report.json'), '{"version":"1"}');
  const uptime = Math.floor(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]));
  const lines = `
    set -u
    SERIAL_LINES=
    read_parameters || { echo "problem: $PROBLEM"; exit 1; }
    ${name} && echo ok || echo "problem: $PROBLEM"`;
  const done = await runParts(['console', 'parameters', 'system', 'calls'], lines, {
    ...{ CMDLINE: cmdline, RUN: run, FIRST_WAIT: '0', POLL_SECONDS: '0', CALL_SECONDS: String(callSeconds) },
    ...{
      REPORT_SECONDS: String(uptime + now),
      HANDOVER_SECONDS: String(uptime + now),
      UNCLEAR_SECONDS: String(unclear),
    },
  });
  // Whatever happens: the bearer is not on the console.
  expect(done.output).not.toContain(TOKEN);
  expect(done.output).not.toContain(TOKEN.slice(0, 12));
  return done;
}
const last = ({ output }: ShellRun) => output.trim().split('\n').at(-1);

describe('the report', () => {
  testWithShell('is posted as JSON with the bearer, once', async () => {
    expect(last(await step('send_report', [202]))).toBe('ok');
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/api/v1/inspection/default/h-1',
        authorization: `Bearer ${TOKEN}`,
        type: 'application/json',
        body: '{"version":"1"}',
      },
    ]);
  });

  testWithShell.each<[Answer]>([[500], [502], [503], [429], [408], ['reset']])('%p is tried again', async (first) => {
    const done = await step('send_report', [first, first, 202], { now: 30 });
    expect(last(done)).toBe('ok');
    expect(seen).toHaveLength(3);
    expect(done.output).toMatch(/POST \/inspection: .*; it is tried again/);
  });

  testWithShell('an answer that never comes is cut off, and tried again', async () => {
    expect(last(await step('send_report', ['hang', 202], { now: 30, callSeconds: 1 }))).toBe('ok');
    expect(seen).toHaveLength(2);
  });

  testWithShell.each([401, 403, 404, 409, 413, 415, 301])('%d ends it at once', async (status) => {
    const done = await step('send_report', [{ status, headers: { location: `${api}/elsewhere` } }], { now: 30 });
    expect(last(done)).toBe(`problem: the report was refused with ${status}`);
    expect(seen).toHaveLength(1);
  });

  testWithShell('400 shows what is wrong, printable and bounded', async () => {
    const body = `{"problems":["disks[0].sizeBytes: is missing"]}\n\u0007${'x'.repeat(5000)}`;
    const done = await step('send_report', [{ status: 400, body }], { now: 30 });
    expect(done.output).toContain('disks[0].sizeBytes: is missing');
    expect(done.output).not.toContain('\u0007');
    expect(done.output.length).toBeLessThan(1000);
    expect(last(done)).toBe('problem: the report was refused as wrong');
  });

  testWithShell('ends when the time is over, and says why', async () => {
    expect(last(await step('send_report', [503]))).toMatch(
      /^problem: the report was not taken within \d+ s: answered 503$/,
    );
    // Nobody listens on port 1.
    expect(last(await step('send_report', [202], { at: 'http://127.0.0.1:1' }))).toMatch(
      /Failed to connect|connect to 127.0.0.1 port 1/,
    );
  });

  testWithShell('Retry-After is kept to', async () => {
    const began = Date.now();
    expect(last(await step('send_report', [{ status: 429, headers: { 'retry-after': '1' } }, 202], { now: 30 }))).toBe(
      'ok',
    );
    expect(Date.now() - began).toBeGreaterThanOrEqual(1000);
  });
});

describe('bootstrap data', () => {
  testWithShell('404 is not yet; the bytes stay as they are, in a file of root only', async () => {
    const body = '#cloud-config\n# \u00fc "quotes" $HOME\n\n';
    expect(last(await step('fetch_user_data', [404, 404, { status: 200, body }], { now: 30 }))).toBe('ok');
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual(
      Array(3).fill('GET /api/v1/bootstrap/default/h-1'),
    );
    const file = path.join(run, 'handover/user-data');
    expect(readFileSync(file, 'utf8')).toBe(body);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  testWithShell('an empty answer is an empty file', async () => {
    expect(last(await step('fetch_user_data', [{ status: 200, body: '' }]))).toBe('ok');
    expect(readFileSync(path.join(run, 'handover/user-data'), 'utf8')).toBe('');
  });

  testWithShell('401 is never', async () => {
    expect(last(await step('fetch_user_data', [404, 401], { now: 30 }))).toBe(
      'problem: Beskar7 has ended this provisioning',
    );
    expect(seen).toHaveLength(2);
  });

  testWithShell('a gateway that is away for a while does not end it', async () => {
    expect(last(await step('fetch_user_data', [502, 404, 'reset', 200], { now: 30 }))).toBe('ok');
  });

  testWithShell('404 for ever ends with its time', async () => {
    expect(last(await step('fetch_user_data', [404]))).toMatch(/^problem: nothing came within \d+ s$/);
  });
});

describe('the hand-over', () => {
  testWithShell('202: goes on', async () => {
    expect(last(await step('announce', [202]))).toBe('ok');
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/api/v1/provisioned/default/h-1',
      type: 'application/json',
      body: '{}',
    });
  });

  testWithShell.each([401, 409])('%d as the first answer ends it', async (status) => {
    expect(last(await step('announce', [status], { now: 30 }))).toBe(
      `problem: the hand-over was refused with ${status}`,
    );
    expect(seen).toHaveLength(1);
  });

  testWithShell('503 is early: tried again, and not taken when its time is over', async () => {
    expect(last(await step('announce', [503, 503, 202], { now: 30 }))).toBe('ok');
    expect(last(await step('announce', [503]))).toBe('problem: the hand-over was not taken: answered 503');
  });

  testWithShell.each<[Answer, Answer]>([
    ['reset', 401],
    ['reset', 409],
    [502, 409],
    ['hang', 404],
  ])('after a lost answer (%p) a refusal (%p) means go on', async (first, then) => {
    const done = await step('announce', [first, then], { now: 30, callSeconds: 1, unclear: 30 });
    expect(last(done)).toBe('ok');
    expect(done.output).toContain('it may have been accepted: continuing');
    expect(seen).toHaveLength(2);
  });

  testWithShell('after a lost answer silence means go on, too', async () => {
    expect(last(await step('announce', ['reset'], { now: 30 }))).toBe('ok');
  });

  testWithShell('what was never sent was not taken', async () => {
    expect(last(await step('announce', [202], { at: 'http://127.0.0.1:1' }))).toMatch(
      /^problem: the hand-over was not taken: /,
    );
  });
});

describe('a failure', () => {
  testWithShell('is told with its reason, as JSON whatever is in it', async () => {
    expect(last(await step(`send_failure 'NoDiskFits: "sda" is \\ small'`, [503, 202], { now: 30 }))).toBe('ok');
    expect(seen[1]).toMatchObject({
      url: '/api/v1/provision-failed/default/h-1',
      body: '{"reason":"NoDiskFits: \\"sda\\" is \\\\ small"}\n',
    });
  });

  testWithShell('that nobody takes does not keep the server on', async () => {
    await step('send_failure x', [503], { now: 30 });
    expect(seen).toHaveLength(5);
  });
});

describe('the command line', () => {
  testWithShell.each([
    [
      'beskar7.api=http://x beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.target=http://t',
      'has no beskar7.token',
    ],
    [
      'beskar7.api=ftp://x beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.token=t beskar7.target=http://t',
      'no http or https URL',
    ],
    [
      'beskar7.api=http://x beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.token=t beskar7.target=http://t beskar7.mode=Other',
      'neither Kexec nor WholeDisk',
    ],
    [
      'beskar7.api=http://x beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.token=t beskar7.target=http://t beskar7.ca=%%%',
      'beskar7.ca is no base64',
    ],
  ])('%s', async (line, problem) => {
    writeFileSync(path.join(run, 'cmdline'), line);
    const { stdout } = await runParts(['parameters'], 'read_parameters || echo "$PROBLEM"', {
      CMDLINE: path.join(run, 'cmdline'),
      RUN: run,
    });
    expect(stdout).toContain(problem);
  });

  testWithShell('nothing of a value is run or expanded, and no child sees the token', async () => {
    const target = 'http://t/$(id)/*;a=`id`&b=$HOME';
    writeFileSync(
      path.join(run, 'cmdline'),
      `beskar7.api=http://x/ beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.token=${TOKEN} beskar7.target=${target} BOOTIF=01-52-54-00-AB-cd-0e`,
    );
    const { stdout } = await runParts(
      ['parameters'],
      'read_parameters; echo "$API|$TARGET|$BOOT_MAC|$PROVIDER_ID"; env',
      {
        CMDLINE: path.join(run, 'cmdline'),
        RUN: run,
      },
    );
    expect(stdout.split('\n')[0]).toBe(`http://x|${target}|52:54:00:ab:cd:0e|b7://n/h/m`);
    expect(stdout).not.toContain(TOKEN);
    expect(statSync(path.join(run, 'authorization')).mode & 0o777).toBe(0o600);
  });
});
