import { describe, expect, test } from '@jest/globals';
import { connectBmc, type BmcDependencies } from '../../../activities/bmc/bmcConnection.ts';
import type { RedfishConnectionOptions } from '../../../redfish/index.ts';
import { host } from '../controllers/builders.ts';

/** What the client of a host is asked for, with this password in its Secret. */
async function optionsOf(password: string, connection: object = {}): Promise<RedfishConnectionOptions> {
  let asked: RedfishConnectionOptions | undefined;
  const data = { username: base64('root'), password: base64(password) };
  const deps = {
    credentials: { get: () => Promise.resolve({ data, isMarked: true, version: 'uid/7' }) },
    redfish: { get: (options: RedfishConnectionOptions) => void (asked = options) },
  } as unknown as BmcDependencies;
  const spec = { redfishConnection: { address: 'https://bmc', credentialsSecretRef: 'bmc', ...connection } };
  await connectBmc(deps, host({ spec }));
  if (asked === undefined) throw new Error('no client was asked for');
  return asked;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('a password in a Secret', () => {
  test.each([
    ['a line break at its end', 'pass word\n', 'pass word'],
    ['one of Windows', 'pass word\r\n', 'pass word'],
    ['blanks at its ends, which may be meant', ' pass ', ' pass '],
  ])('with %s', async (_name, stored, sent) => {
    expect(await optionsOf(stored)).toMatchObject({ password: sent, credentialsVersion: 'uid/7' });
  });

  test.each([
    ['two line breaks', 'secret-word\n\n'],
    ['two lines', 'secret-word\nother\n'],
    ['a line break alone', '\n'],
    ['a zero byte', 'secret-word\0'],
  ])('with %s: SecretInvalid, which names Secret and key and not the password', async (_name, stored) => {
    const failure = await optionsOf(stored).catch((error: unknown) => error);
    expect(failure).toMatchObject({ type: 'BmcCredentials', details: [{ kind: 'SecretInvalid' }] });
    expect(String(failure)).toMatch(/Secret .*bmc .*key password/);
    expect(String(failure)).not.toContain('secret-word');
  });
});

test('what the host says of its connection reaches the client, bounded', async () => {
  const connection = {
    timeouts: { connectSeconds: 45, requestSeconds: 20 },
    authentication: 'Session',
    tlsServerName: 'bmc-7.example',
  };
  const wanted = {
    connectTimeoutMs: 45_000,
    callTimeoutMs: 20_000,
    authentication: 'Session',
    tlsServerName: 'bmc-7.example',
  };
  expect(await optionsOf('x', connection)).toMatchObject(wanted);
  expect(await optionsOf('x')).toEqual({
    owner: 'ns/h',
    address: 'https://bmc',
    username: 'root',
    password: 'x',
    credentialsVersion: 'uid/7',
    callTimeoutMs: 60_000,
  });
});
