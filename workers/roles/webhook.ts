import { defined } from '../../untrusted/defined.ts';
import { Webhook } from '../../webhooks/index.ts';
import type { ProcessContext, RoleDefinition } from './role.ts';

/**
 * Role `webhook`: the conversion of Beskar7Cluster. Starts before everything that may wait, since clients of other
 * versions wait for it. Outside of a cluster the API server needs an address for the process (`--webhook-url`): without
 * one nothing is registered. Stopped after everything that reads and writes objects.
 */
export const webhookRole: RoleDefinition = {
  name: 'webhook',
  does: 'converts Beskar7Cluster between its versions, for the API server',
  needs: 'Kubernetes; the API server must reach it',
  watches: [],
  usesTemporal: false,
  servesRequests: true,
  after: 'listening',
  start,
};

async function start({ config, kube, logger, health, parts }: ProcessContext): Promise<void> {
  const { webhookBindAddress, webhookService, webhookUrl, webhookCertDir } = config;
  if (webhookUrl === undefined && process.env.KUBERNETES_SERVICE_HOST === undefined) {
    logger.info('the conversion webhook is not served: outside of a cluster it needs --webhook-url');
    return;
  }
  const webhook = new Webhook(
    { kube, logger },
    {
      bindAddress: webhookBindAddress,
      service: webhookService,
      ...defined({ url: webhookUrl, certificateFolder: webhookCertDir }),
    },
  );
  health.set('webhook', () => webhook.problem());
  parts.add('webhook', () => webhook.stop());
  await webhook.start();
}
