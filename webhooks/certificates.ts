import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import {
  bits,
  boolean,
  implicit,
  integer,
  objectIdentifier,
  octets,
  element,
  sequence,
  set,
  tagged,
  time,
  utf8,
} from './der.ts';

/** A certificate and its private key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
/** Clocks of other machines may be behind. */
const BACKDATED_MS = 3_600_000;
const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};

/** A certificate authority that signs itself (ECDSA P-256, RFC 5280). */
export function makeAuthority(commonName: string, days: number, now = new Date()): KeyedCertificate {
  const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const certificate = signed({
    issuer: commonName,
    subject: commonName,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    days,
    now,
    extensions: [
      extension(OID.basicConstraints, sequence(boolean(true)), true),
      // keyCertSign, cRLSign
      extension(OID.keyUsage, element(0x03, Buffer.from([1, 0b0000_0110])), true),
    ],
  });
  return { certificate, key: pemOf(keys.privateKey) };
}

/**
 * A server's certificate for DNS names and IP addresses, signed by the authority; `isClient`: a client shows it, too.
 */
export function makeServing(
  authority: KeyedCertificate,
  names: readonly string[],
  days: number,
  now = new Date(),
  { isClient = false }: { readonly isClient?: boolean } = {},
): KeyedCertificate {
  const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const usages = [OID.serverAuth, ...(isClient ? [OID.clientAuth] : [])].map(objectIdentifier);
  const alternatives = names.map((name) =>
    isIP(name) ? implicit(7, addressOf(name)) : implicit(2, Buffer.from(name)),
  );
  const certificate = signed({
    issuer: commonNameOf(authority.certificate),
    subject: names[0]?.slice(0, 64) ?? 'beskar7',
    publicKey: keys.publicKey,
    signer: createPrivateKey(authority.key),
    days,
    now,
    extensions: [
      extension(OID.basicConstraints, sequence(), true),
      // digitalSignature
      extension(OID.keyUsage, element(0x03, Buffer.from([7, 0b1000_0000])), true),
      extension(OID.extendedKeyUsage, sequence(...usages)),
      extension(OID.subjectAltName, sequence(...alternatives)),
    ],
  });
  return { certificate, key: pemOf(keys.privateKey) };
}

/** How much of a certificate's life is left, from 1 (new) to 0 (expired); 0 for what is no certificate. */
export function lifeLeft(certificate: string, now = Date.now()): number {
  try {
    const { validFrom, validTo } = new X509Certificate(certificate);
    const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
    return Math.max(0, (to - now) / (to - from));
  } catch {
    return 0;
  }
}

/** Whether the authority signed the certificate, and it names all of `names`. */
export function isServingFor(certificate: string, authority: string, names: readonly string[]): boolean {
  try {
    const parsed = new X509Certificate(certificate);
    const isSigned = parsed.verify(new X509Certificate(authority).publicKey);
    return (
      isSigned && names.every((name) => (isIP(name) ? parsed.checkIP(name) : parsed.checkHost(name)) !== undefined)
    );
  } catch {
    return false;
  }
}

interface ToSign {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly days: number;
  readonly now: Date;
  readonly extensions: readonly Buffer[];
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature } (RFC 5280 §4.1). */
function signed({ issuer, subject, publicKey, signer, days, now, extensions }: ToSign): string {
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256));
  const serial = randomBytes(16);
  // A leading zero byte would not be the shortest form.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    nameOf(issuer),
    sequence(time(new Date(now.getTime() - BACKDATED_MS)), time(new Date(now.getTime() + days * DAY_MS))),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...extensions)),
  );
  const whole = sequence(body, algorithm, bits(sign('sha256', body, signer)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(objectIdentifier(OID.commonName), utf8(commonName))));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(objectIdentifier(id), ...(isCritical ? [boolean(true)] : []), octets(value));
}

function commonNameOf(certificate: string): string {
  return /(?:^|\n)CN=(.*)/.exec(new X509Certificate(certificate).subject)?.[1] ?? '';
}

/** 4 or 16 bytes. */
function addressOf(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number));
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const all = tail === undefined ? before : [...before, ...zeros, ...after];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(parseInt(group, 16), index * 2));
  return bytes;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
