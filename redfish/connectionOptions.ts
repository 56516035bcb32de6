import { createHash } from 'node:crypto';
import type { BmcNetworks } from './bmcNetworks.ts';
import { RedfishError } from './error.ts';
import type { ObserveRequest } from './observe.ts';
import { checkTls, type TlsConfig, type TlsOptions } from './tls.ts';

export type { TlsConfig };

/** How to log in, see `authentication` below (DSP0266, HTTP Basic and Redfish session login). */
export type AuthenticationMode = 'Auto' | 'Basic' | 'Session' | 'PreferSession';

/** How to reach one BMC, and as whom. */
export interface RedfishConnectionOptions extends TlsOptions {
  /** `http(s)://host[:port]`; a path such as `/redfish/v1` or `/redfish/v1/Systems/1` is understood. */
  address: string;
  username: string;
  password: string;
  /**
   * `Auto` (default): Basic, and a session where the BMC does not offer Basic. `PreferSession`: a session, and Basic
   * where the BMC has none. `Basic`, `Session`: nothing else.
   */
  authentication?: AuthenticationMode;
  /**
   * Names the state of the Secret that the credentials are from: what was refused in one state is sent again in
   * another.
   */
  credentialsVersion?: string;
  /**
   * The state of the Secret whose credentials this BMC is recorded to have accepted. Where it is the present one, a
   * refusal counts as one that may pass: it is repeated, and holds for seconds, not for an hour.
   */
  acceptedVersion?: string;
  /** Which member of the Systems collection; needed when there are several. */
  systemID?: string;
  /** Whose connection it is: only the same owner's newer credentials take the place of what a pool keeps. */
  owner?: string;
  /** User-Agent of requests that change nothing; default `beskar7`. */
  userAgent?: string;
  /**
   * Hard deadline of each HTTP call from its write on, body included; default 60 000, which is also the most (D of rule
   * 2).
   */
  callTimeoutMs?: number;
  /** For TCP and TLS together, before a call; default 30 000, at most 60 000. */
  connectTimeoutMs?: number;
  /** Firmware mode of a network boot; default: the server's own, and none is sent. */
  bootMode?: 'UEFI' | 'Legacy';
  /** How the server boots from the network; default `PXE`. */
  networkBoot?: 'PXE' | 'HTTP';
  /** Told of each request, for metrics. */
  observe?: ObserveRequest;
  /** Where BMCs may be; absent: anywhere. */
  networks?: BmcNetworks;
  /** Refuses addresses that start with http://. */
  requiresHttps?: boolean;
}

/** The checked form of `RedfishConnectionOptions`. */
export interface ConnectionConfig {
  /** `https://10.0.0.1`, without a path: also what the BMC's lock is named after. */
  readonly origin: string;
  /** `10.0.0.1` or `10.0.0.1:8443`, for messages. */
  readonly host: string;
  /** Name or address without brackets, and the port. */
  readonly hostname: string;
  readonly port: number;
  /** `/redfish/v1/` with whatever stands before it. */
  readonly rootPath: string;
  readonly username: string;
  readonly password: string;
  readonly authentication: AuthenticationMode;
  readonly systemID: string | undefined;
  readonly userAgent: string;
  readonly callTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly bootMode: 'UEFI' | 'Legacy' | undefined;
  readonly networkBoot: 'PXE' | 'HTTP';
  readonly observe: ObserveRequest | undefined;
  readonly networks: BmcNetworks | undefined;
  /** Undefined for plain HTTP. */
  readonly tls: TlsConfig | undefined;
}

/** D of rule 2: what is given up later could arrive after others have counted it as gone. */
const MAX_CALL_TIMEOUT_MS = 60_000;
/** Some BMCs take 11 s for a handshake: TCP and TLS together get more than that. */
const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;
const MAX_CONNECT_TIMEOUT_MS = 60_000;

/**
 * Checks the options of a connection. Throws a `RedfishError` (`Protocol` or `Tls`, not retryable) that says what to
 * fix.
 */
export function checkConnection(options: RedfishConnectionOptions): ConnectionConfig {
  const url = parseAddress(options.address);
  const place = /^(?<prefix>.*?)\/redfish(?:\/v1(?:\/Systems\/(?<id>[^/]+))?)?$/i.exec(
    url.pathname.replace(/\/+$/, ''),
  );
  const prefix = place?.groups?.['prefix'] ?? url.pathname.replace(/\/+$/, '');
  const idInAddress = place?.groups?.['id'];
  const systemID = nonEmpty(options.systemID) ?? (idInAddress === undefined ? undefined : decodeSegment(idInAddress));
  const callTimeoutMs = timeout('callTimeoutMs', options.callTimeoutMs ?? MAX_CALL_TIMEOUT_MS, MAX_CALL_TIMEOUT_MS);
  const connectTimeoutMs = timeout(
    'connectTimeoutMs',
    options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
    MAX_CONNECT_TIMEOUT_MS,
  );
  const isTls = url.protocol === 'https:';
  if (!isTls && options.requiresHttps === true) {
    const message = `the BMC address ${url.origin} begins with http://, which --require-bmc-https forbids: credentials would cross the network in clear text; give it as https://`;
    throw new RedfishError('PlainHttp', message);
  }
  // Also of a plain address what contradicts itself is told.
  const tls = checkTls(options);
  return {
    origin: url.origin,
    host: url.host,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    rootPath: `${prefix}/redfish/v1/`,
    username: options.username,
    password: options.password,
    authentication: options.authentication ?? 'Auto',
    systemID,
    userAgent: options.userAgent ?? 'beskar7',
    callTimeoutMs,
    connectTimeoutMs,
    bootMode: options.bootMode,
    networkBoot: options.networkBoot ?? 'PXE',
    observe: options.observe,
    networks: options.networks,
    tls: isTls ? tls : undefined,
  };
}

/**
 * What tells one client of a pool from another: `who` is stable over a change of password, `secretHash` is not. Neither
 * can be turned back into the password.
 */
export function connectionIdentity(options: RedfishConnectionOptions): { who: string; secretHash: string } {
  const hash = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return {
    who: JSON.stringify([options.owner ?? null, options.address, options.username, options.systemID ?? null]),
    secretHash: hash([
      options.password,
      options.insecureSkipVerify ?? false,
      options.caBundle ?? null,
      options.tlsServerName ?? null,
      options.insecureSkipNameVerify ?? false,
      options.authentication ?? null,
      options.userAgent ?? null,
      options.callTimeoutMs ?? null,
      options.connectTimeoutMs ?? null,
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

function timeout(name: string, ms: number, mostMs: number): number {
  if (Number.isFinite(ms) && ms > 0 && ms <= mostMs) return ms;
  throw new RedfishError('Protocol', `${name} must be a positive number of at most ${mostMs}, not ${String(ms)}`);
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
