import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { request } from 'undici';
import { makeAuthority, makeServing } from '../../webhooks/certificates.ts';
import { Component } from '../controlplane/component.ts';
import type { ControlPlane } from '../controlplane/index.ts';
import { kubectl } from '../controlplane/install.ts';
import { freePorts } from '../controlplane/ports.ts';
import { ensureTools } from '../toolchain/index.ts';
import { coreDefinitions, coreWebhooks } from './manifests.ts';
import { clusterApiSource } from './source.ts';

/**
 * Installs the core provider of Cluster API on an embedded control plane and starts its manager, with conversion,
 * defaulting and validation as users have them: the webhooks are called by URL, with a certificate made here. Nothing
 * of it is Beskar7's.
 */
export async function startClusterApi(
  plane: ControlPlane,
  options: { featureGates?: string } = {},
): Promise<Component> {
  const [{ 'cluster-api-manager': file }, source] = [
    await ensureTools(['cluster-api-manager']),
    await clusterApiSource(),
  ];
  const [webhookPort = 0, healthPort = 0, diagnosticsPort = 0] = await freePorts(3);
  const folder = path.join(plane.dataFolder, 'cluster-api');
  const certificates = path.join(folder, 'certificates');
  await mkdir(certificates, { recursive: true });
  const authority = makeAuthority('capi-test-ca', 30);
  const { certificate, key } = makeServing(authority, ['127.0.0.1', 'localhost'], 30);
  await writeFile(path.join(certificates, 'tls.crt'), certificate);
  await writeFile(path.join(certificates, 'tls.key'), key, { mode: 0o600 });

  const webhook = { url: `https://127.0.0.1:${webhookPort}`, ca: authority.certificate };
  const definitions = path.join(folder, 'definitions.yaml');
  const webhooks = path.join(folder, 'webhooks.yaml');
  await writeFile(definitions, await coreDefinitions(source, webhook));
  await writeFile(webhooks, await coreWebhooks(source, webhook));
  await kubectl(plane, 'apply', '--server-side', '-f', definitions);
  await kubectl(plane, 'wait', '--for=condition=Established', '--timeout=60s', '-f', definitions);
  const manager = new Component(
    {
      name: 'cluster-api-manager',
      file,
      args: [
        `--kubeconfig=${plane.adminKubeconfig}`,
        `--webhook-cert-dir=${certificates}`,
        `--webhook-port=${webhookPort}`,
        `--health-addr=127.0.0.1:${healthPort}`,
        `--diagnostics-address=127.0.0.1:${diagnosticsPort}`,
        '--insecure-diagnostics',
        '--sync-period=1m',
        `--feature-gates=${options.featureGates ?? 'ClusterTopology=true'}`,
        '--v=2',
      ],
      env: { POD_NAMESPACE: 'capi-system', POD_NAME: 'capi', POD_UID: 'capi' },
      isReady: async () => {
        const { statusCode, body } = await request(`http://127.0.0.1:${healthPort}/readyz`, { headersTimeout: 2_000 });
        await body.dump();
        return statusCode === 200;
      },
    },
    path.join(plane.dataFolder, 'logs'),
  );
  await manager.start();
  await kubectl(plane, 'apply', '--server-side', '-f', webhooks);
  return manager;
}
