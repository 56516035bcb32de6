import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runParts, testWithShell } from '../../support/inspector.ts';

const TOKEN = 'tHIS-iS_tHE-sECRET-bEARER-0123456789abcdefgh';
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl)
  process.stderr.write('beskar7: TLS of the inspector is SKIPPED: there is no openssl to make certificates\n');
const testWithTls = hasOpenssl ? testWithShell : test.skip;

let folder = '';
let server: Server;
let api = '';
let seen = 0;

/** A certificate that signs itself, for 127.0.0.1. */
function certificate(name: string): { cert: string; key: string } {
  const file = (suffix: string) => path.join(folder, `${name}.${suffix}`);
  spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', file('key'), '-out', file('crt')],
  ]);
  return { cert: readFileSync(file('crt'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-tls-'));
  if (!hasOpenssl) return;
  server = createServer(certificate('ours'), (_request, response) => {
    seen += 1;
    response.writeHead(202).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  if (hasOpenssl) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** What comes of the report with this CA on the command line. */
async function report(ca: string | undefined): Promise<string> {
  const run = mkdtempSync(path.join(folder, 'run-'));
  const parameter = ca === undefined ? '' : `beskar7.ca=${Buffer.from(ca).toString('base64')}`;
  writeFileSync(
    path.join(run, 'cmdline'),
    `beskar7.api=${api} beskar7.namespace=n beskar7.host=h beskar7.provider-id=b7://n/h/m beskar7.token=${TOKEN} beskar7.target=${api}/t ${parameter}`,
  );
  writeFileSync(path.join(run, 'report.json'), '{}');
  const { output } = await runParts(
    ['console', 'parameters', 'system', 'calls'],
    'SERIAL_LINES=; REPORT_SECONDS=0; read_parameters && send_report && echo ok || echo "problem: $PROBLEM"',
    { RUN: run, CMDLINE: path.join(run, 'cmdline'), FIRST_WAIT: '0' },
  );
  expect(output).not.toContain(TOKEN);
  return output.trim().split('\n').at(-1) ?? '';
}

describe('beskar7.api with https', () => {
  testWithTls('is believed with the CA of the command line', async () => {
    expect(await report(readFileSync(path.join(folder, 'ours.crt'), 'utf8'))).toBe('ok');
    expect(seen).toBe(1);
  });

  testWithTls('with another CA, or none, it gets no request', async () => {
    seen = 0;
    expect(await report(certificate('theirs').cert)).toMatch(/^problem: the report was not taken .*SSL certificate/);
    expect(await report(undefined)).toMatch(/^problem: the report was not taken .*SSL certificate/);
    expect(seen).toBe(0);
  });
});
