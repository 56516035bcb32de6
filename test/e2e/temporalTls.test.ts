import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import os from 'node:os';
import path from 'node:path';
import { createServer, type Server } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { makeAuthority, makeServing } from '../../webhooks/certificates.ts';
import { World } from '../support/world.ts';

jest.setTimeout(120_000);

/**
 * Temporal behind mutual TLS, as deploy/temporal/frontend-tls.yaml has it: its development server speaks none, so that
 * TLS ends before it.
 */

const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-temporal-tls-'));
const file = (name: string, text: string) => {
  writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  return path.join(folder, name);
};
const world = new World('e2e-temporal-tls');
const seen: boolean[] = [];
let frontend: Server;

beforeAll(async () => {
  const [servers, clients] = [makeAuthority('temporal-ca', 1), makeAuthority('clients-ca', 1)];
  const serving = makeServing(servers, ['temporal.example.com'], 1);
  const client = makeServing(clients, ['beskar7'], 1, new Date(), { isClient: true });
  const [host = '', port = ''] = world.plane.temporalAddress.split(':');
  const tls = { cert: serving.certificate, key: serving.key, ca: clients.certificate, ALPNProtocols: ['h2'] };
  frontend = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (socket) => {
    seen.push(socket.authorized);
    const behind = connect(Number(port), host);
    socket.pipe(behind).pipe(socket);
    for (const one of [socket, behind]) one.on('error', () => [socket, behind].forEach((other) => other.destroy()));
  });
  await new Promise<void>((resolve) => frontend.listen(0, '127.0.0.1', resolve));
  world.flags.push(`--temporal-address=127.0.0.1:${(frontend.address() as AddressInfo).port}`);
  world.env = {
    TEMPORAL_TLS: 'true',
    TEMPORAL_TLS_SERVER_NAME: 'temporal.example.com',
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.crt', servers.certificate),
    TEMPORAL_TLS_CLIENT_CERT_PATH: file('tls.crt', client.certificate),
    TEMPORAL_TLS_CLIENT_KEY_PATH: file('tls.key', client.key),
  };
  await world.start({ hosts: 1, profile: 'generic' });
});
afterAll(async () => {
  await world.stop();
  frontend.close();
  rmSync(folder, { recursive: true });
});

test('with its certificate Beskar7 works, over no other connection', async () => {
  await world.addMachine('mutual');
  await world.machineIs('mutual', 'Provisioned');
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.every(Boolean)).toBe(true);
});

test('without one it is not let in, and says so in /readyz', async () => {
  await world.beskar7.stop();
  const { TEMPORAL_TLS_CLIENT_CERT_PATH: _cert, TEMPORAL_TLS_CLIENT_KEY_PATH: _key, ...rest } = world.env;
  world.env = rest;
  const before = seen.length;
  await world.startBeskar7();
  const told = async () => (await fetch(world.readyUrl)).text();
  const end = Date.now() + 30_000;
  while (!(await told()).includes('cannot be reached') && Date.now() < end) await delay(100);
  expect(await told()).toMatch(/Temporal at 127\.0\.0\.1:\d+ cannot be reached/);
  expect(seen).toHaveLength(before);
});
