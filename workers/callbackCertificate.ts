import { createSecureContext } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { KeptTls, type TlsFiles, type TlsSource } from '../api/index.ts';
import type { KubeClient } from '../kube/client.ts';
import { ownCertificates, type CertificateStore } from '../webhooks/certificateStore.ts';
import type { NamespacedName } from './flagValues.ts';

const AUTHORITY = 'beskar7-callbacks-ca';
/**
 * How often the certificate is looked at again: it is renewed a month before its end, by this process or another one.
 */
const CHECK_MS = 60_000;
const RETRY_MS = 2_000;

/**
 * The certificate of the callback listener, which Beskar7 makes by itself: authority and certificate for the host of
 * the callback URL are kept in a Secret that all replicas share, and renewed in time. Servers trust the authority by
 * their boot script, so that it is never one that others have. Waits for the API server as long as it takes; rejects
 * when the signal fires.
 */
export async function ownCallbackTls(
  deps: { readonly kube: KubeClient; readonly logger: Logger; readonly signal: AbortSignal },
  secret: NamespacedName,
  callbackUrl: string,
  { checkMs = CHECK_MS }: { readonly checkMs?: number } = {},
): Promise<TlsSource> {
  const host = new URL(callbackUrl).hostname.replace(/^\[|\]$/g, '');
  const store = ownCertificates(deps.kube, secret, [host], { authority: AUTHORITY });
  const origin = {
    read: () => usable(store),
    follow: (again: () => void) => {
      const timer = setInterval(again, checkMs).unref();
      return () => clearInterval(timer);
    },
    from: { secret: `${secret.namespace}/${secret.name}` },
  };
  return new KeptTls(await firstOf(deps, secret, store), origin, deps.logger);
}

async function firstOf(
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
  { namespace, name }: NamespacedName,
  store: CertificateStore,
): Promise<TlsFiles> {
  for (;;) {
    try {
      return await usable(store);
    } catch (error) {
      logger.warn(
        { err: error, secret: `${namespace}/${name}`, nextTryInMs: RETRY_MS },
        'the callback listener has no certificate yet (--callback-certificate-secret); retrying',
      );
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}

/** The newest authority alone: it has to fit on a kernel command line, and it has signed the certificate. */
async function usable(store: CertificateStore): Promise<TlsFiles> {
  const { certificate, key, authority } = await store.current();
  createSecureContext({ cert: certificate, key });
  return { cert: certificate, key, ca: authority };
}
