import { isIPv6 } from 'node:net';
import type { Socket } from 'node:net';
import type { ApiOptions } from './dependencies.ts';

/** Wildcard addresses: not reachable by a client. */
const WILDCARDS = new Set(['0.0.0.0', '[::]']);

type Configured = Pick<ApiOptions, 'callbackUrl' | 'bootUrl' | 'tlsCertDir' | 'callbackBindAddress'>;

/** The base URLs that a server gets in its boot script. */
export interface ScriptUrls {
  readonly apiUrl: string;
  readonly inspectorUrl: string;
}

/**
 * The URLs for a server that is connected by `socket`. Where none is configured, the address at which the server
 * reached us is one that it can reach again; the `Host` header is not believed.
 */
export function scriptUrls(
  options: Configured,
  ports: { readonly callback: number; readonly boot: number },
  socket: Pick<Socket, 'localAddress'>,
): ScriptUrls {
  const { callbackUrl = ownUrl(options, ports.callback) } = options;
  const apiUrl = reachable(callbackUrl, ports.callback, socket);
  const bootUrl = options.bootUrl ?? `http://${new URL(apiUrl).hostname}:${ports.boot}`;
  return { apiUrl, inspectorUrl: `${reachable(bootUrl, ports.boot, socket)}/images/inspector` };
}

function ownUrl({ tlsCertDir, callbackBindAddress: { host } }: Configured, port: number): string {
  return `${tlsCertDir === undefined ? 'http' : 'https'}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function reachable(configured: string, port: number, socket: Pick<Socket, 'localAddress'>): string {
  const url = URL.canParse(configured) ? new URL(configured) : undefined;
  if (url === undefined || !WILDCARDS.has(url.hostname)) return configured.replace(/\/+$/, '');
  return `${url.protocol}//${ownAddress(socket)}:${port}`;
}

function ownAddress(socket: Pick<Socket, 'localAddress'>): string {
  const address = (socket.localAddress ?? '127.0.0.1').replace(/^::ffff:/, '');
  return isIPv6(address) ? `[${address}]` : address;
}
