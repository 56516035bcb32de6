import type { RequestListener } from 'node:http';
import { createBootApp, createCallbackApp } from './app.ts';
import type { BindAddress } from '../http/options.ts';
import type { ApiDependencies, ApiOptions } from './dependencies.ts';
import { listen } from '../http/listener.ts';
import { createParts } from './parts.ts';
import { folderTls } from '../http/tls.ts';

export type { BindAddress, Timeouts } from '../http/options.ts';
export type { ApiDependencies, ApiOptions, MachineRef, SignalKind } from './dependencies.ts';
export { ListenError } from '../http/listener.ts';
export { KeptTls, TlsError, type TlsFiles, type TlsSource } from '../http/tls.ts';
export { normalizeMac } from './bootScript.ts';

/** 500 servers behind one address hold at most two connections each. */
const CONNECTIONS = { max: 4096, maxPerSource: 2048 };
const DRAIN_MS = 5_000;

/** The running API. */
export interface Api {
  readonly callbackAddress: BindAddress;
  readonly bootAddress: BindAddress;
  /** Closes the listeners, lets requests in flight finish, sends the signals that are due; bounded. */
  stop(): Promise<void>;
}

/**
 * Opens both listeners of the contract. Throws ListenError for a port that cannot be opened, and TlsError for
 * certificate files that cannot be used.
 */
export async function startApi(deps: ApiDependencies, options: ApiOptions): Promise<Api> {
  const { tlsCertDir } = options;
  const tls = tlsCertDir === undefined ? options.tls : await folderTls(tlsCertDir, deps.logger);
  const parts = createParts(deps, options, tls);
  const common = {
    timeouts: parts.timeouts,
    connections: { ...CONNECTIONS, ...options.connections },
    trusted: parts.trustedProxies,
    logger: deps.logger,
  };
  const callback = await listen(handlerOf(createCallbackApp(parts)), {
    ...common,
    flag: 'callback-bind-address',
    address: options.callbackBindAddress,
    tls,
  }).catch((error: unknown) => {
    tls?.stop();
    throw error;
  });
  const boot = await listen(handlerOf(createBootApp(parts)), {
    ...common,
    flag: 'boot-bind-address',
    address: options.bootBindAddress,
  }).catch(async (error: unknown) => {
    tls?.stop();
    await callback.stop();
    throw error;
  });
  parts.ports.callback = callback.address.port;
  parts.ports.boot = boot.address.port;
  deps.logger.info(
    { callback: callback.address, tls: tls !== undefined, boot: boot.address, bootByMac: options.bootByMac ?? false },
    'listens',
  );
  return {
    callbackAddress: callback.address,
    bootAddress: boot.address,
    async stop() {
      parts.isStopping = true;
      tls?.stop();
      await Promise.all([callback.stop(), boot.stop()]);
      await parts.signals.drain(DRAIN_MS);
    },
  };
}

/** Koa answers every error itself: its promise never fails. */
function handlerOf(app: ReturnType<typeof createCallbackApp>): RequestListener {
  const handle = app.callback();
  return (request, response) => void handle(request, response);
}
