import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Informers } from '../controllers/index.ts';
import { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { startWeb, TemporalRuns, type Web } from '../web/server/index.ts';
import type { BindAddress, Config } from './config.ts';
import { VERSION } from './version.ts';

const DIST = path.join(import.meta.dirname, '..', 'web', 'dist');

/** Serves the web page in this process. Throws ListenError, TlsError. */
export async function startWebPage(
  parts: {
    readonly kubeConfig: KubeConfig;
    readonly informers: Informers;
    readonly client: Client;
    readonly temporalNamespace: string;
    readonly recorder: EventRecorder;
    readonly logger: Logger;
  },
  bindAddress: BindAddress,
  config: Config,
): Promise<Web> {
  const { kubeConfig, informers, client, temporalNamespace, recorder, logger } = parts;
  const { webTlsCertDir, webTemporalUiUrl } = config;
  const userAgent = `beskar7-web/${VERSION}`;
  // Connections of its own: what visitors ask never stands before a fence's read.
  const kube = KubeClient.fromConfig(kubeConfig, { userAgent });
  const web = await startWeb(
    {
      kube,
      asHolderOf: async (token, act) => {
        const theirs = KubeClient.fromConfig(configOf(kubeConfig, token), { userAgent });
        try {
          return await act(theirs);
        } finally {
          await theirs.close();
        }
      },
      hosts: informers.hosts,
      machines: informers.machines,
      runs: new TemporalRuns(client, temporalNamespace),
      recorder,
      logger: logger.child({ part: 'web' }),
    },
    {
      bindAddress,
      auth: config.webAuth,
      ...(webTlsCertDir === undefined ? {} : { tlsCertDir: webTlsCertDir }),
      trustedProxies: config.trustedProxies,
      version: VERSION,
      distFolder: DIST,
      kubectl: config.webKubectl,
      temporalCli: config.webTemporalCli,
      ...(webTemporalUiUrl === undefined ? {} : { temporalUiUrl: webTemporalUiUrl }),
      temporalNamespace,
    },
  ).catch(async (error: unknown) => {
    await kube.close();
    throw error;
  });
  return {
    url: web.url,
    stop: async () => {
      await web.stop();
      await kube.close();
    },
  };
}

/** The same cluster without our own credentials. */
function configOf(own: KubeConfig, token: string): KubeConfig {
  const cluster = own.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig names no cluster');
  const config = new KubeConfig();
  config.loadFromClusterAndUser(cluster, { name: 'visitor', token });
  return config;
}
