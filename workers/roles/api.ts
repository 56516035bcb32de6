import { startApi, type TlsSource } from '../../api/index.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { defined } from '../../untrusted/defined.ts';
import { ownCallbackTls } from '../callbackCertificate.ts';
import { callbackDependencies } from '../callbacks.ts';
import type { CachesContext, RoleDefinition } from './role.ts';

const CHECK = 'api';

/**
 * Role `api`: the callback and the boot listener. Starts when the caches are filled, with or without Temporal: reports
 * of booting servers are stored on their hosts, and the machine watcher signals later what could not be signalled. With
 * `--callback-certificate-secret` it waits for its certificate first. At shutdown the listeners close, requests in
 * flight finish and the signals that are due are sent, before the connection to Temporal is closed.
 */
export const apiRole: RoleDefinition = {
  name: 'api',
  does: 'boot scripts and callbacks',
  needs: 'Kubernetes, Temporal; servers must reach it',
  watches: [HOSTS, MACHINES],
  usesTemporal: true,
  servesRequests: true,
  announce: ({ health }) => health.set(CHECK, () => 'does not listen yet'),
  after: 'caches',
  start,
};

async function start(context: CachesContext): Promise<void> {
  const { config, kube, informers, temporal, recorder, logger, health, parts } = context;
  const client = () => temporal.client;
  const tls = await ownTls(context);
  const api = await startApi(callbackDependencies({ kube, informers, client, recorder, logger }), {
    callbackBindAddress: config.callbackBindAddress,
    bootBindAddress: config.bootBindAddress,
    trustedProxies: config.trustedProxies,
    bootByMac: config.bootByMac,
    nodeLabelPrefixes: config.nodeLabelPrefix,
    inspectionTimeoutMs: config.inspectionTimeout,
    provisioningTimeoutMs: config.provisioningTimeout,
    ...defined({
      callbackUrl: config.callbackUrl,
      tlsCertDir: config.tlsCertDir,
      tls,
      imagesFolder: config.imagesFolder,
    }),
  });
  health.set(CHECK, () => undefined);
  parts.add(CHECK, () => api.stop());
}

/** The certificate that Beskar7 makes by itself; undefined: it comes from a folder, or there is none. */
async function ownTls({ config, kube, logger, stopping: signal }: CachesContext): Promise<TlsSource | undefined> {
  const { callbackCertificateSecret: secret, callbackUrl } = config;
  if (secret === undefined || callbackUrl === undefined) return undefined;
  return ownCallbackTls({ kube, logger, signal }, secret, callbackUrl);
}
