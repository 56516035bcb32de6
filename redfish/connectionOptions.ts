import { createHash, X509Certificate } from 'node:crypto';
import { RedfishError } from './error.ts';
import type { ObserveRequest } from './observe.ts';

/** How to reach one BMC, and as whom. */
export interface RedfishConnectionOptions {
  /** `http(s)://host[:port]`; a path such as `/redfish/v1` or `/redfish/v1/Systems/1` is understood. */
  address: string;
  username: string;
  password: string;
  /** Accept any certificate. Not together with `caBundle`. */
  insecureSkipVerify?: boolean;
  /** PEM of the certificates to trust instead of the public ones. */
  caBundle?: string;
  /** Which member of the Systems collection; needed when there are several. */
  systemID?: string;
  /** User-Agent of requests that change nothing; default `beskar7`. */
  userAgent?: string;
  /** Hard deadline of each HTTP call, body included; default 60 000 (D of rule 2). */
  callTimeoutMs?: number;
  /** Firmware mode of a network boot; default: the server's own, and none is sent. */
  bootMode?: 'UEFI' | 'Legacy';
  /** How the server boots from the network; default `PXE`. */
  networkBoot?: 'PXE' | 'HTTP';
  /** Told of each request, for metrics. */
  observe?: ObserveRequest;
}

/** The checked form of `RedfishConnectionOptions`. */
export interface ConnectionConfig {
  /** `https://10.0.0.1`, without a path: also what the BMC's lock is named after. */
  readonly origin: string;
  /** `10.0.0.1` or `10.0.0.1:8443`, for messages. */
  readonly host: string;
  /** `/redfish/v1/` with whatever stands before it. */
  readonly rootPath: string;
  readonly username: string;
  readonly password: string;
  readonly systemID: string | undefined;
  readonly userAgent: string;
  readonly callTimeoutMs: number;
  readonly bootMode: 'UEFI' | 'Legacy' | undefined;
  readonly networkBoot: 'PXE' | 'HTTP';
  readonly observe: ObserveRequest | undefined;
  readonly tls: { readonly rejectUnauthorized: boolean; readonly ca?: string };
}

const DEFAULT_CALL_TIMEOUT_MS = 60_000;

/** Checks the options of a connection. Throws a `RedfishError` (`Protocol` or `Tls`, not retryable) that says what to mend. */
export function checkConnection(options: RedfishConnectionOptions): ConnectionConfig {
  const url = parseAddress(options.address);
  const place = /^(?<prefix>.*?)\/redfish(?:\/v1(?:\/Systems\/(?<id>[^/]+))?)?$/i.exec(
    url.pathname.replace(/\/+$/, ''),
  );
  const prefix = place?.groups?.['prefix'] ?? url.pathname.replace(/\/+$/, '');
  const idInAddress = place?.groups?.['id'];
  const systemID = nonEmpty(options.systemID) ?? (idInAddress === undefined ? undefined : decodeSegment(idInAddress));
  const callTimeoutMs = options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
  if (!Number.isFinite(callTimeoutMs) || callTimeoutMs <= 0) {
    throw new RedfishError('Protocol', `callTimeoutMs must be a positive number, not ${String(options.callTimeoutMs)}`);
  }
  return {
    origin: url.origin,
    host: url.host,
    rootPath: `${prefix}/redfish/v1/`,
    username: options.username,
    password: options.password,
    systemID,
    userAgent: options.userAgent ?? 'beskar7',
    callTimeoutMs,
    bootMode: options.bootMode,
    networkBoot: options.networkBoot ?? 'PXE',
    observe: options.observe,
    tls: checkTls(options),
  };
}

/**
 * What tells one client of a pool from another: `who` is stable over a change of password, `secretHash` is not. Neither
 * can be turned back into the password.
 */
export function connectionIdentity(options: RedfishConnectionOptions): { who: string; secretHash: string } {
  const hash = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return {
    who: JSON.stringify([options.address, options.username, options.systemID ?? null]),
    secretHash: hash([
      options.password,
      options.insecureSkipVerify ?? false,
      options.caBundle ?? null,
      options.userAgent ?? null,
      options.callTimeoutMs ?? null,
      options.bootMode ?? null,
      options.networkBoot ?? null,
    ]),
  };
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    // The text is not repeated when it may hold a password.
    const shown = address.includes('@') ? '' : ` ${JSON.stringify(address.slice(0, 256))}`;
    throw new RedfishError('Protocol', `the BMC address${shown} is not of the form https://host[:port]`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new RedfishError('Protocol', `the BMC address of ${url.host} holds credentials: put them into the Secret`);
  }
  if (url.search !== '' || url.hash !== '') {
    throw new RedfishError('Protocol', `the BMC address of ${url.host} has a query or a fragment: leave it out`);
  }
  return url;
}

function checkTls(options: RedfishConnectionOptions): ConnectionConfig['tls'] {
  const ca = nonEmpty(options.caBundle);
  if (ca === undefined) return { rejectUnauthorized: options.insecureSkipVerify !== true };
  if (options.insecureSkipVerify === true) {
    throw new RedfishError('Tls', 'insecureSkipVerify and a CA bundle exclude each other: remove one of them');
  }
  try {
    for (const pem of ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? ['']) {
      new X509Certificate(pem);
    }
  } catch {
    throw new RedfishError('Tls', 'the CA bundle is not a list of PEM certificates');
  }
  return { rejectUnauthorized: true, ca };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}

/** Percent-decoding that leaves alone what is not percent-encoded. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
