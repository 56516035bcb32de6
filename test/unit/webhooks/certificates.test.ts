import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { isServingFor, lifeLeft, makeAuthority, makeServing } from '../../../webhooks/certificates.ts';

const NAMES = ['beskar7-webhook.beskar7-system.svc', 'localhost', '127.0.0.1', 'fd00::5'];

test('a client that trusts the authority, and it alone, reaches a server with the certificate', async () => {
  const authority = makeAuthority('beskar7-webhook-ca', 3650);
  const { certificate, key } = makeServing(authority, NAMES, 365);
  const server = createServer({ cert: certificate, key }, (_request, answer) => answer.end('good'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const trusting = new Agent({ connect: { ca: authority.certificate } });
  const other = new Agent({ connect: { ca: makeAuthority('beskar7-webhook-ca', 3650).certificate } });
  try {
    const { body } = await request(url, { dispatcher: trusting });
    expect(await body.text()).toBe('good');
    await expect(request(url, { dispatcher: other })).rejects.toThrow(/certificate|signature/);
  } finally {
    await Promise.all([trusting.destroy(), other.destroy()]);
    server.close();
  }
});

test('the certificate says what RFC 5280 asks of it', () => {
  const authority = makeAuthority('ca', 3650);
  const parsed = new X509Certificate(makeServing(authority, NAMES, 365).certificate);
  expect(new X509Certificate(authority.certificate).ca).toBe(true);
  expect(parsed.ca).toBe(false);
  expect(parsed.issuer).toBe('CN=ca');
  expect(parsed.checkHost('localhost')).toBe('localhost');
  expect(parsed.checkIP('fd00::5')).toBe('fd00::5');
  expect(parsed.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(isServingFor(parsed.toString(), authority.certificate, NAMES)).toBe(true);
  expect(isServingFor(parsed.toString(), authority.certificate, ['elsewhere'])).toBe(false);
  expect(isServingFor(parsed.toString(), makeAuthority('ca', 1).certificate, NAMES)).toBe(false);
});

test.each([
  [0, 1],
  [180, 0.5],
  [400, 0],
])('after %i days of 360 about %f of its life is left', (days, left) => {
  const now = new Date('2026-01-01T00:00:00Z');
  const { certificate } = makeAuthority('ca', 360, now);
  expect(lifeLeft(certificate, now.getTime() + days * 86_400_000)).toBeCloseTo(left, 2);
});

test('years after 2049 are written in the other form', () => {
  const { certificate } = makeAuthority('ca', 3650, new Date('2045-06-01T00:00:00Z'));
  expect(Date.parse(new X509Certificate(certificate).validTo)).toBe(Date.parse('2055-05-30T00:00:00Z'));
  expect(lifeLeft('no certificate')).toBe(0);
});
