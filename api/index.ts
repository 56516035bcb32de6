import type { RequestListener } from 'node:http';
import { createBootApp, createCallbackApp } from './app.ts';
import type { ApiDependencies, ApiOptions, BindAddress } from './dependencies.ts';
import { listen } from './listener.ts';
import { createParts } from './parts.ts';

export type { ApiDependencies, ApiOptions, BindAddress, MachineRef, SignalKind, Timeouts } from './dependencies.ts';
export { ListenError } from './listener.ts';
export { normalizeMac } from './bootScript.ts';

const MAX_CONNECTIONS = 4096;
/** What a CA may take of the 2,048 bytes of kernel arguments, in base64; a P-256 one has about 900. */
const MAX_CA_BYTES = 1200;
const DRAIN_MS = 5_000;

/** The running API. */
export interface Api {
  readonly callbackAddress: BindAddress;
  readonly bootAddress: BindAddress;
  /** Closes the listeners, lets requests in flight finish, sends the signals that are due; bounded. */
  stop(): Promise<void>;
}

/**
 * Opens both listeners of the contract. Throws ListenError for a port that cannot be opened, and an Error for a CA that does not
 * fit on a kernel command line.
 */
export async function startApi(deps: ApiDependencies, options: ApiOptions): Promise<Api> {
  requireSmallCa(options.callbackCaPem);
  const parts = createParts(deps, options);
  const common = { timeouts: parts.timeouts, maxConnections: options.maxConnections ?? MAX_CONNECTIONS };
  const callback = await listen(handlerOf(createCallbackApp(parts)), {
    ...common,
    flag: 'callback-bind-address',
    address: options.callbackBindAddress,
  });
  const boot = await listen(handlerOf(createBootApp(parts)), {
    ...common,
    flag: 'boot-bind-address',
    address: options.bootBindAddress,
  }).catch(async (error: unknown) => {
    await callback.stop();
    throw error;
  });
  parts.ports.callback = callback.address.port;
  parts.ports.boot = boot.address.port;
  deps.logger.info(
    { callback: callback.address, boot: boot.address, bootByMac: options.bootByMac ?? false },
    'listens',
  );
  return {
    callbackAddress: callback.address,
    bootAddress: boot.address,
    async stop() {
      parts.isStopping = true;
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

function requireSmallCa(pem: string | undefined): void {
  if (pem === undefined) return;
  const bytes = Buffer.from(pem).toString('base64').length;
  if (bytes <= MAX_CA_BYTES) return;
  throw new Error(
    `beskar7: the CA of the callback listener has ${bytes} bytes in base64, but only ${MAX_CA_BYTES} fit on a kernel command ` +
      'line (2,048 in all); use a P-256 CA, and only one certificate',
  );
}
