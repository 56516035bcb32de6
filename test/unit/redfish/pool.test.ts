import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { RedfishClient, RedfishPool, type RedfishConnectionOptions } from '../../../redfish/index.ts';
import { clientOf, failureOf, fakeBmc, PASSWORD, stopAll, until, USER } from './fakeBmc.ts';

afterEach(stopAll);

const fixture = (name: string): string => readFileSync(join(__dirname, 'fixtures', name), 'utf8');
const tls = { key: fixture('bmc.key'), cert: fixture('bmc.crt') };

describe('TLS', () => {
  test('a self-signed certificate is refused, with what to do', async () => {
    const bmc = await fakeBmc(undefined, tls);
    const failure = await failureOf(clientOf(bmc).getPowerState());
    expect(failure).toMatchObject({ kind: 'Tls', retryable: false });
    expect(String(failure)).toMatch(
      /self-signed: give it in caBundleSecretRef, or set insecureSkipVerify.*DEPTH_ZERO_SELF_SIGNED_CERT/,
    );
    expect(bmc.seen).toEqual([]);
  });

  test('accepted with its CA, or without verification', async () => {
    const bmc = await fakeBmc(undefined, tls);
    await expect(clientOf(bmc, { caBundle: tls.cert }).getPowerState()).resolves.toBe('Off');
    await expect(clientOf(bmc, { insecureSkipVerify: true }).getPowerState()).resolves.toBe('Off');
    expect(await failureOf(clientOf(bmc, { caBundle: fixture('other.crt') }).getPowerState())).toMatchObject({
      kind: 'Tls',
    });
  });

  test.each<[string, string, Partial<RedfishConnectionOptions>, RegExp | undefined]>([
    [
      'another name',
      'named',
      {},
      /not made out to this address: set redfishConnection\.tlsServerName.*DNS:bmc-7\.example/,
    ],
    ['another name, which is given', 'named', { tlsServerName: 'bmc-7.example' }, undefined],
    ['a third name', 'named', { tlsServerName: 'bmc-8.example' }, /not made out to this address/],
    ['another name, and its CA alone asked for', 'named', { insecureSkipNameVerify: true }, undefined],
    ['an expired certificate', 'expired', {}, /has expired: renew it at the BMC/],
    ['an expired certificate, its CA alone asked for', 'expired', { insecureSkipNameVerify: true }, /has expired/],
  ])('%s', async (_name, file, options, refused) => {
    const certificate = { key: fixture(`${file}.key`), cert: fixture(`${file}.crt`) };
    const bmc = await fakeBmc(undefined, certificate);
    const client = clientOf(bmc, { caBundle: certificate.cert, ...options });
    // Twice, and over another connection: a resumed TLS session is good for what was verified.
    for (let i = 0; i < 2; i += 1) {
      for (const socket of bmc.sockets) socket.destroy();
      const failure = await failureOf(client.getPowerState());
      if (refused === undefined) expect(String(failure)).toContain('resolved with "Off"');
      else expect(failure).toMatchObject({ kind: 'Tls', message: expect.stringMatching(refused) as unknown });
    }
  });

  test('a certificate of another CA, its CA alone asked for: refused', async () => {
    const bmc = await fakeBmc(undefined, tls);
    const options = { caBundle: fixture('other.crt'), insecureSkipNameVerify: true };
    expect(await failureOf(clientOf(bmc, options).getPowerState())).toMatchObject({ kind: 'Tls' });
    expect(bmc.seen).toEqual([]);
  });

  test('TLS 1.1 and plain HTTP behind https:// are refused', async () => {
    const old = createTlsServer({ ...tls, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    old.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    const bmc = await fakeBmc();
    const addresses = [
      `https://127.0.0.1:${(old.address() as { port: number }).port}`,
      bmc.address.replace('http:', 'https:'),
    ];
    for (const address of addresses) {
      const failure = await failureOf(clientOf(bmc, { address, insecureSkipVerify: true }).getPowerState());
      expect(failure).toMatchObject({ kind: 'Tls' });
      expect(String(failure)).toMatch(/offers no TLS 1\.2 or newer|does not speak TLS: for plain HTTP/);
    }
    old.close();
  });

  test.each<[string, Partial<RedfishConnectionOptions>, RegExp]>([
    ['both insecureSkipVerify and a CA', { insecureSkipVerify: true, caBundle: tls.cert }, /exclude each other/],
    ['a CA that is none', { caBundle: 'hello' }, /not a list of PEM certificates/],
    ['the CA alone without one', { insecureSkipNameVerify: true }, /needs a CA bundle/],
    [
      'a name, and no check of it',
      { insecureSkipNameVerify: true, tlsServerName: 'a', caBundle: tls.cert },
      /exclude each other/,
    ],
    ['a name that is none', { tlsServerName: 'a b' }, /neither a host name nor an address/],
    ['no address', { address: '10.0.0.1' }, /"10.0.0.1" is not of the form https/],
    ['another scheme', { address: 'ftp://10.0.0.1' }, /not of the form/],
    [
      'a password in the address',
      { address: 'https://u:hunter2@10.0.0.1' },
      /holds credentials: put them into the Secret/,
    ],
    ['a broken address with a password', { address: 'u:hunter2@10.0.0.1' }, /not of the form/],
    ['a query', { address: 'https://10.0.0.1/?a=b' }, /query/],
    ['no deadline', { callTimeoutMs: 0 }, /callTimeoutMs/],
  ])('%s cannot be used', (_name, options, message) => {
    const make = (): RedfishClient =>
      new RedfishClient({ address: 'https://10.0.0.1', username: USER, password: PASSWORD, ...options });
    expect(make).toThrow(message);
    expect(make).not.toThrow(/hunter2/);
  });
});

describe('the pool', () => {
  const connection = (address: string, password = PASSWORD): RedfishConnectionOptions => ({
    address,
    username: USER,
    password,
  });

  test('one client per address, user and system', async () => {
    const bmc = await fakeBmc();
    const pool = new RedfishPool();
    const client = pool.get(connection(bmc.address));
    await client.getPowerState();
    expect(pool.get(connection(bmc.address))).toBe(client);
    expect(pool.get({ ...connection(bmc.address), systemID: '1' })).not.toBe(client);
    expect(pool.size).toBe(2);
    await pool.closeAll();
    expect(pool.size).toBe(0);
    await until(() => bmc.sockets.size === 0);
  });

  test('a changed password makes a new client and logs the old one out', async () => {
    const bmc = await fakeBmc((it) => {
      it.habits.push((seen) => {
        if (seen.method === 'POST') return { status: 201, headers: { 'x-auth-token': 't', location: '/s/1' } };
        if (seen.path === '/redfish/v1/' || seen.headers['x-auth-token'] === 't') return undefined;
        return { status: 401 };
      });
    });
    const pool = new RedfishPool();
    const old = pool.get(connection(bmc.address));
    await old.getPowerState();
    const renewed = pool.get(connection(bmc.address, 'new'));
    expect(renewed).not.toBe(old);
    await until(() => bmc.sent('DELETE', '/s/1').length === 1);
    expect(await failureOf(old.getPowerState())).toMatchObject({ kind: 'Aborted', retryable: true });
    await renewed.getPowerState();
    await pool.closeAll();
  });

  test('two hosts with one address and user, and other passwords: neither closes the connection of the other', async () => {
    const bmc = await fakeBmc();
    const pool = new RedfishPool();
    const of = (owner: string, password = PASSWORD) => pool.get({ ...connection(bmc.address, password), owner });
    const real = of('victim/h');
    await real.getPowerState();
    for (let at = 0; at < 5; at += 1) await failureOf(of('tenant/h', `wrong-${at}`).getPowerState());
    expect(of('victim/h')).toBe(real);
    await expect(real.getPowerState()).resolves.toBe('Off');
    await pool.closeAll();
  });

  test('is bounded: the one that was used longest ago goes', async () => {
    const bmc = await fakeBmc();
    const pool = new RedfishPool({ maxClients: 2 });
    const first = pool.get({ ...connection(bmc.address), systemID: '1' });
    const second = pool.get({ ...connection(bmc.address), systemID: '2' });
    expect(pool.get({ ...connection(bmc.address), systemID: '1' })).toBe(first);
    pool.get({ ...connection(bmc.address), systemID: '3' });
    expect(pool.size).toBe(2);
    expect(pool.get({ ...connection(bmc.address), systemID: '1' })).toBe(first);
    expect(await failureOf(second.getPowerState())).toMatchObject({ kind: 'Aborted' });
    await pool.closeAll();
  });

  test('closes who is idle', async () => {
    const bmc = await fakeBmc();
    const pool = new RedfishPool({ idleCloseMs: 5 });
    await pool.get(connection(bmc.address)).getPowerState();
    await until(() => pool.size === 0);
    await pool.closeAll();
  });
});

test('close waits for the call that runs', async () => {
  const bmc = await fakeBmc();
  const client = clientOf(bmc);
  const running = client.getPowerState();
  await client.close();
  await expect(running).resolves.toBe('Off');
  await until(() => bmc.sockets.size === 0);
});
