import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { makeAuthority, makeServing } from '../../webhooks/certificates.ts';
import { World } from '../support/world.ts';

jest.setTimeout(90_000);

const world = new World('e2e-https');

beforeAll(() => world.start({ hosts: 1, profile: 'generic' }));
afterAll(() => world.stop());

test('with a certificate that Beskar7 makes: kept in its Secret, trusted by the boot script, the same after a restart', async () => {
  const callbackUrl = world.callbackUrl.replace('http:', 'https:');
  const secret = 'beskar7-system/beskar7-callbacks-certificate';
  const flags = [`--callback-certificate-secret=${secret}`, `--callback-url=${callbackUrl}`];
  const shown = () =>
    world.kubectl('get', 'secret', 'beskar7-callbacks-certificate', '-n', 'beskar7-system', '-o', 'jsonpath={.data}');
  await world.beskar7.stop();
  await world.startBeskar7(flags);
  await world.addMachine('made');
  await world.machineIs('made', 'Provisioned');
  const before = await shown();
  expect(Object.keys(JSON.parse(before) as object).sort()).toEqual([
    'ca.crt',
    'ca.key',
    'previous-ca.crt',
    'tls.crt',
    'tls.key',
  ]);
  await world.beskar7.stop();
  await world.startBeskar7(flags);
  expect(await shown()).toBe(before);
  await world.kubectl('delete', 'beskar7machine', 'made');
  await world.hostIs('host-1', 'Available');
});

test('callbacks by HTTPS: the server trusts the CA of its boot script, and is provisioned', async () => {
  const folder = path.join(world.plane.dataFolder, 'callback-tls');
  mkdirSync(folder);
  const authority = makeAuthority('beskar7-callbacks', 30);
  const { certificate, key } = makeServing(authority, ['127.0.0.1'], 30);
  writeFileSync(path.join(folder, 'tls.crt'), certificate);
  writeFileSync(path.join(folder, 'tls.key'), key, { mode: 0o600 });
  writeFileSync(path.join(folder, 'ca.crt'), authority.certificate);
  await world.beskar7.stop();
  const callbackUrl = world.callbackUrl.replace('http:', 'https:');
  await world.startBeskar7([`--tls-cert-dir=${folder}`, `--callback-url=${callbackUrl}`]);
  await world.addMachine('sealed');
  await world.machineIs('sealed', 'Provisioned');
  await expect(fetch(`${world.callbackUrl}/api/v1/bootstrap/${world.namespace}/host-1`)).rejects.toThrow();
});
