import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { KubeClient } from '../../../kube/client.ts';
import { KubeError } from '../../../kube/error.ts';
import type { Secret } from '../../../kube/resource.ts';
import { fileCertificates, ownCertificates, type ServingCertificate } from '../../../webhooks/certificateStore.ts';

const DAY_MS = 86_400_000;
const NAMES = ['127.0.0.1', 'beskar7-webhook.beskar7-system.svc'];
const KEY = { namespace: 'beskar7-system', name: 'beskar7-webhook-certificate' };

let secret: Secret | undefined;
let writes: string[];
let now: Date;
let beforeWrite: (() => Promise<unknown>) | undefined;

const failure = (status: number, reason: string) =>
  new KubeError({ verb: 'x', resource: 'secrets' }, { status, reason, message: reason });

/** One Secret, with the checks of the API server. */
const kube = {
  get: () => (secret ? Promise.resolve(structuredClone(secret)) : Promise.reject(failure(404, 'NotFound'))),
  create: async (_resource: unknown, object: Secret) => {
    await interrupted();
    if (secret) throw failure(409, 'AlreadyExists');
    writes.push('create');
    secret = { ...object, metadata: { ...object.metadata, uid: 'u', resourceVersion: '1' } };
    return secret;
  },
  mergePatch: async (_resource: unknown, _namespace: string, _name: string, patch: Secret) => {
    await interrupted();
    if (secret?.metadata.resourceVersion !== patch.metadata.resourceVersion) throw failure(409, 'Conflict');
    writes.push('patch');
    const resourceVersion = String(Number(patch.metadata.resourceVersion) + 1);
    secret = { ...secret, ...patch, metadata: { ...KEY, uid: 'u', resourceVersion } };
    return secret;
  },
} as unknown as KubeClient;

async function interrupted(): Promise<void> {
  const work = beforeWrite;
  beforeWrite = undefined;
  await work?.();
}

const replica = () => ownCertificates(kube, KEY, NAMES, { now: () => now });
const after = (days: number) => (now = new Date(now.getTime() + days * DAY_MS));

/** Whether a client that trusts what one replica told the API server takes what another one shows. */
function trusts(told: ServingCertificate, shown: ServingCertificate): boolean {
  const certificates = (told.authorities ?? '').split(/(?<=-----END CERTIFICATE-----\n)/).filter(Boolean);
  const leaf = new X509Certificate(shown.certificate);
  return certificates.some((pem) => leaf.verify(new X509Certificate(pem).publicKey));
}

beforeEach(() => {
  secret = undefined;
  writes = [];
  beforeWrite = undefined;
  now = new Date('2026-01-01T00:00:00Z');
});

describe('a certificate that Beskar7 makes', () => {
  test('is made once, and shared by all replicas', async () => {
    const first = await replica().current();
    expect(await replica().current()).toEqual(first);
    expect(writes).toEqual(['create']);
    expect(new X509Certificate(first.certificate).checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(trusts(first, first)).toBe(true);
  });

  test('of two that begin at once, one makes it', async () => {
    let other: ServingCertificate | undefined;
    beforeWrite = async () => (other = await replica().current());
    const mine = await replica().current();
    expect(mine).toEqual(other);
    expect(writes).toEqual(['create']);
  });

  test('is renewed long before it ends, and trusted before and after', async () => {
    const first = await replica().current();
    after(59);
    expect(await replica().current()).toEqual(first);
    after(2);
    const second = await replica().current();
    expect(second.certificate).not.toBe(first.certificate);
    expect(second.authorities).toBe(first.authorities);
    expect(trusts(first, second)).toBe(true);
    expect(writes).toEqual(['create', 'patch']);
  });

  test('a new authority is trusted beside the old one, whose certificates other replicas still show', async () => {
    const first = await replica().current();
    after(2440);
    let other: ServingCertificate | undefined;
    beforeWrite = async () => (other = await replica().current());
    const second = await replica().current();
    expect(second).toEqual(other);
    expect(second.authorities).not.toBe(first.authorities);
    expect([trusts(second, first), trusts(second, second)]).toEqual([true, true]);
  });

  test('that does not name the address is made anew; a broken Secret too', async () => {
    await replica().current();
    const moved = await ownCertificates(kube, KEY, ['10.0.0.7'], { now: () => now }).current();
    expect(new X509Certificate(moved.certificate).checkIP('10.0.0.7')).toBe('10.0.0.7');
    if (secret) secret.data = { ...secret.data, 'tls.key': '' };
    const mended = await replica().current();
    expect(trusts(mended, mended)).toBe(true);
  });

  test('what is no conflict is said', async () => {
    beforeWrite = () => Promise.reject(failure(403, 'Forbidden'));
    await expect(replica().current()).rejects.toThrow('Forbidden');
  });
});

test('a certificate of somebody else is read from its files each time; the authority may be a public one', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-webhook-'));
  try {
    await expect(fileCertificates(folder).current()).rejects.toThrow('tls.crt');
    writeFileSync(path.join(folder, 'tls.crt'), 'C');
    writeFileSync(path.join(folder, 'tls.key'), 'K');
    expect(await fileCertificates(folder).current()).toEqual({ certificate: 'C', key: 'K' });
    writeFileSync(path.join(folder, 'ca.crt'), 'A');
    expect(await fileCertificates(folder).current()).toEqual({ certificate: 'C', key: 'K', authorities: 'A' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
