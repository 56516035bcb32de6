import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import type { ConnectionConfig, TlsConfig } from './connectionOptions.ts';
import { AddressRefused, type BmcNetworks } from './bmcNetworks.ts';
import { connectionError } from './connectionError.ts';
import { abortedError, RedfishError } from './error.ts';

/**
 * Of several addresses of a name each gets so long, unless the whole time is over before. Node's own 250 ms are too
 * short for a slow line.
 */
const ADDRESS_ATTEMPT_MS = 2_500;
const KEEP_ALIVE_PROBE_MS = 60_000;

/** What is told of an open connection. Exactly one of `onEnd` and `onError` ends it. */
export interface ConnectionListener {
  onData(bytes: Buffer): void;
  /** The peer sends no more. */
  onEnd(): void;
  onError(error: Error): void;
}

/** How to open a connection. */
export interface OpenOptions {
  /** For TCP and TLS together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Names the request in messages. */
  readonly what: string;
  /**
   * A TLS session of a connection that was verified with the same configuration: saves slow BMCs most of a handshake.
   */
  readonly session?: Buffer | undefined;
}

/**
 * An open connection to a BMC: TCP, and TLS where the address asks for it. The TCP socket is ours, below TLS, so that a
 * request which is given up can be given up with a reset: a socket that is merely closed lives on in the kernel, which
 * keeps sending what it holds for minutes.
 */
export class Connection {
  readonly #tcp: Socket;
  readonly #stream: Socket | TLSSocket;
  #listener: ConnectionListener | undefined;
  #isOpen = true;
  #wasUsed = false;
  #endedAtMs: number | undefined;

  constructor(tcp: Socket, stream: Socket | TLSSocket) {
    this.#tcp = tcp;
    this.#stream = stream;
    stream.on('data', (bytes: Buffer) => {
      // Nobody asked: what it would answer is not known.
      if (this.#listener === undefined) this.reset();
      else this.#listener.onData(bytes);
    });
    stream.on('end', () => this.#ended((listener) => listener.onEnd()));
    stream.on('error', (error: Error) => this.#ended((listener) => listener.onError(error)));
    stream.on('close', () => this.#ended((listener) => listener.onEnd()));
    // Below TLS; the stream above hears of it by its own events.
    tcp.on('error', () => undefined);
  }

  /** Nothing has ended it that this process has heard of. */
  get isOpen(): boolean {
    return this.#isOpen && this.#stream.writable;
  }

  /** Something was written to it. */
  get wasUsed(): boolean {
    return this.#wasUsed;
  }

  /** When the peer ended it while nothing was in flight, by `performance.now()`. */
  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  /** Who hears of what arrives; undefined: what arrives ends the connection. */
  listen(listener: ConnectionListener | undefined): void {
    this.#listener = listener;
  }

  /** Hands the bytes to the kernel in this tick. */
  write(bytes: Buffer): void {
    this.#wasUsed = true;
    this.#stream.write(bytes);
  }

  /**
   * Ends the connection so that the kernel sends nothing of it any more: its queue is dropped and the peer gets a
   * reset. Whoever listens still is told `ECONNABORTED`.
   */
  reset(): void {
    this.#isOpen = false;
    const listener = this.#listener;
    this.#listener = undefined;
    resetSocket(this.#tcp, this.#stream);
    listener?.onError(Object.assign(new Error('given up'), { code: 'ECONNABORTED' }));
  }

  /** Ends a connection on which nothing is in flight; else as `reset`. */
  close(): void {
    if (this.#listener !== undefined) return this.reset();
    this.#isOpen = false;
    this.#stream.destroy();
  }

  #ended(say: (listener: ConnectionListener) => void): void {
    if (this.#isOpen && this.#listener === undefined) this.#endedAtMs = performance.now();
    this.#isOpen = false;
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener !== undefined) say(listener);
    else this.#stream.destroy();
  }
}

/**
 * SO_LINGER of 0 on the TCP socket itself, before TLS above it may close it in good order. Before it is connected there
 * is nothing to drop.
 */
function resetSocket(tcp: Socket, stream: Socket): void {
  if (tcp.connecting) tcp.destroy();
  else tcp.resetAndDestroy();
  stream.destroy();
}

/**
 * Opens a connection; the handshakes are over when it resolves. Rejects with a `RedfishError`: `Tls` where the
 * certificate or the protocol does not do, else `Unreachable`, or `Aborted`. Nothing of HTTP was sent then. `onSession`
 * is given each TLS session that can be resumed.
 */
export function openConnection(
  config: Pick<ConnectionConfig, 'hostname' | 'port' | 'tls' | 'networks'>,
  { timeoutMs, signal, what, session }: OpenOptions,
  onSession: (session: Buffer) => void,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(abortedError(what, signal.reason));
    const { networks } = config;
    const refused = isIP(config.hostname) === 0 ? undefined : networks?.refusal(config.hostname);
    if (refused !== undefined) return reject(addressRefused(what, refused));
    const tcp = connectTcp({
      host: config.hostname,
      port: config.port,
      noDelay: true,
      // Else Node answers the peer's FIN with a shutdown of its own, and libuv resets no socket that is being shut
      // down.
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
      ...(networks === undefined ? {} : { lookup: networks.lookup }),
    });
    let stream: Socket | TLSSocket = tcp;
    let stage = 'TCP connection';
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    const fail = (error: RedfishError): void => {
      settle(() => reject(error));
      resetSocket(tcp, stream);
    };
    const onAbort = (): void => fail(abortedError(what, signal?.reason));
    const onError = (error: Error): void =>
      fail(error instanceof AddressRefused ? addressRefused(what, error.message) : connectionError(what, error, false));
    const onEnd = (): void => onError(Object.assign(new Error('closed during the handshake'), { code: 'ECONNRESET' }));
    const timer = setTimeout(() => fail(connectTimeout(what, stage, timeoutMs)), Math.max(0, timeoutMs));
    signal?.addEventListener('abort', onAbort, { once: true });
    const open = (): void => {
      settle(() => {
        tcp.off('error', onError);
        stream.off('error', onError).off('close', onEnd).off('end', onEnd);
        resolve(new Connection(tcp, stream));
      });
    };
    tcp.on('error', onError);
    tcp.once('connect', () => {
      // Whatever has led there: nothing is sent to an address that is not allowed.
      const elsewhere = refusalOfPeer(networks, tcp);
      if (elsewhere !== undefined) return fail(addressRefused(what, elsewhere));
      if (config.tls === undefined) return open();
      stage = 'TLS handshake';
      const secure = connectTls({
        socket: tcp,
        ...tlsOptions(config.hostname, config.tls),
        ...(session && { session }),
      });
      stream = secure;
      secure.on('error', onError).on('close', onEnd).on('end', onEnd);
      secure.once('secureConnect', () => {
        // Only of a peer that was verified: a resumed session is not verified again.
        secure.on('session', onSession);
        const current = secure.getSession();
        if (current !== undefined) onSession(current);
        open();
      });
    });
  });
}

function refusalOfPeer(networks: BmcNetworks | undefined, { remoteAddress }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : networks?.refusal(remoteAddress);
}

function addressRefused(what: string, why: string): RedfishError {
  return new RedfishError('AddressRefused', `${what} was not sent: ${why}`);
}

function connectTimeout(what: string, stage: string, timeoutMs: number): RedfishError {
  const message =
    `${what} failed: no ${stage} within ${Math.round(timeoutMs)} ms; check the BMC's address, its network and that it is on. ` +
    'For a BMC that is that slow raise redfishConnection.timeouts.connectSeconds';
  return new RedfishError('Unreachable', message);
}

function tlsOptions(hostname: string, tls: TlsConfig) {
  const name = tls.serverName ?? hostname;
  return {
    // Names only (RFC 6066 §3): some BMCs end the handshake when they read an address there.
    servername: isIP(name) === 0 ? name : '',
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2' as const,
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      tls.checksName ? checkServerIdentity(name, certificate) : undefined,
  };
}
