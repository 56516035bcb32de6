import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { RedfishError } from './error.ts';

/** What of TLS an operator can say about a BMC. */
export interface TlsOptions {
  /** Accept any certificate. Not together with `caBundle`. */
  insecureSkipVerify?: boolean;
  /** PEM of the certificates to trust instead of the public ones. */
  caBundle?: string;
  /** The name in the BMC's certificate, where that is not the host of its address; also sent as SNI. */
  tlsServerName?: string;
  /** Check that the certificate is of `caBundle`, and not whose it is. Only together with `caBundle`. */
  insecureSkipNameVerify?: boolean;
}

/** The checked form of `TlsOptions`. */
export interface TlsConfig {
  readonly rejectUnauthorized: boolean;
  readonly checksName: boolean;
  readonly serverName: string | undefined;
  readonly ca?: string;
}

/**
 * Throws a `RedfishError` (`Tls`, not retryable) that says which options exclude each other, or what is wrong with the
 * CA bundle.
 */
export function checkTls(options: TlsOptions): TlsConfig {
  const ca = options.caBundle === '' ? undefined : options.caBundle;
  const skipsAll = options.insecureSkipVerify === true;
  const skipsName = options.insecureSkipNameVerify === true;
  const serverName = options.tlsServerName === '' ? undefined : options.tlsServerName;
  if (skipsAll && ca !== undefined) {
    throw new RedfishError('Tls', 'insecureSkipVerify and a CA bundle exclude each other: remove one of them');
  }
  if (skipsName && ca === undefined) {
    throw new RedfishError(
      'Tls',
      'insecureSkipNameVerify needs a CA bundle: any public certificate would do without one',
    );
  }
  if (skipsName && serverName !== undefined) {
    throw new RedfishError('Tls', 'insecureSkipNameVerify and tlsServerName exclude each other: remove one of them');
  }
  if (serverName !== undefined && isIP(serverName) === 0 && !/^[A-Za-z0-9._-]{1,253}$/.test(serverName)) {
    throw new RedfishError(
      'Tls',
      `tlsServerName ${JSON.stringify(serverName.slice(0, 64))} is neither a host name nor an address`,
    );
  }
  if (ca !== undefined) checkBundle(ca);
  return {
    rejectUnauthorized: !skipsAll,
    checksName: !skipsName,
    serverName,
    ...(ca === undefined ? {} : { ca }),
  };
}

function checkBundle(ca: string): void {
  try {
    for (const pem of ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? ['']) {
      new X509Certificate(pem);
    }
  } catch {
    throw new RedfishError('Tls', 'the CA bundle is not a list of PEM certificates');
  }
}

const SKIP = 'or set insecureSkipVerify when the network is trusted';

/** What is wrong by the code of Node or OpenSSL, and what to do. The first that fits counts. */
const FAILURES: readonly (readonly [RegExp, string])[] = [
  [
    /^CERT_HAS_EXPIRED$/,
    `the BMC's certificate has expired: renew it at the BMC (and check the clock of this worker), ${SKIP}`,
  ],
  [/^CERT_NOT_YET_VALID$/, `the BMC's certificate is not valid yet: check the clocks of the BMC and of this worker`],
  [/^CERT_REVOKED$/, `the BMC's certificate was revoked: replace it at the BMC`],
  [/^DEPTH_ZERO_SELF_SIGNED_CERT$/, `the BMC's certificate is self-signed: give it in caBundleSecretRef, ${SKIP}`],
  [
    /^SELF_SIGNED_CERT_IN_CHAIN$/,
    `the BMC's certificate is of a CA that is not trusted here: give its CA in caBundleSecretRef, ${SKIP}`,
  ],
  [
    /^UNABLE_TO_|^ERR_TLS_CERT_SIGNATURE/,
    `the BMC's certificate is of an unknown CA, or the BMC does not send the certificates between: give its CA, with these, in caBundleSecretRef, ${SKIP}`,
  ],
  [
    /^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    `the BMC's certificate is of a trusted CA but not made out to this address: set redfishConnection.tlsServerName to a name that it has, or insecureSkipNameVerify to check its CA alone`,
  ],
  [
    /^(CERT_|CRL_|INVALID_(CA|PURPOSE)|PATH_LENGTH)/,
    `the BMC's certificate was not accepted: check it and the CA bundle, ${SKIP}`,
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|RECORD_LAYER_FAILURE/,
    'what answers at this port does not speak TLS: for plain HTTP the address begins with http://, else check the port',
  ],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/,
    'the BMC offers no TLS 1.2 or newer: update its firmware, or allow TLS 1.2 in its settings',
  ],
  [/LEGACY_RENEGOTIATION/, 'the BMC knows only the old, unsafe renegotiation (RFC 5746): update its firmware'],
  [
    /KEY_TOO_SMALL|MD_TOO_WEAK/,
    'the key or signature of the BMC is too weak: give it a certificate of 2048 bits and SHA-256 or better',
  ],
  [
    /CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|ALERT_CERTIFICATE/,
    'the BMC asks for a client certificate, which is not supported: switch that off at the BMC',
  ],
  [
    /HANDSHAKE_FAILURE|NO_SHARED|NO_CIPHERS|INSUFFICIENT_SECURITY/,
    'the BMC and this worker have no cipher in common: update its firmware, or allow the ciphers of TLS 1.2 in its settings',
  ],
];

/** Whether a code of Node or OpenSSL is one of TLS. */
export function isTlsCode(code: string): boolean {
  return (
    /^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code) ||
    /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH)/.test(code)
  );
}

/** The operator's words for a failed handshake. */
export function tlsFailure(code: string, error: Error): string {
  const known = FAILURES.find(
    ([pattern]) => pattern.test(code) || (code === 'EPROTO' && pattern.test(opensslReason(error))),
  );
  return `${known?.[1] ?? 'the TLS handshake failed: the BMC must speak TLS 1.2 or newer; for plain HTTP the address begins with http://'}${detailsOf(error)} (${code})`;
}

/** `SSL alert number …` of a message of OpenSSL, in the form of its codes. */
function opensslReason(error: Error): string {
  return error.message.toUpperCase().replaceAll(' ', '_');
}

/** Whom the certificate is made out to, or until when: what the operator would look up next. */
function detailsOf(error: Error): string {
  const certificate = 'cert' in error && typeof error.cert === 'object' && error.cert !== null ? error.cert : undefined;
  const names = certificate && 'subjectaltname' in certificate ? certificate.subjectaltname : undefined;
  return typeof names === 'string' && names !== ''
    ? `; it is made out to ${names.replace(/[^\x20-\x7e]/g, '').slice(0, 200)}`
    : '';
}
