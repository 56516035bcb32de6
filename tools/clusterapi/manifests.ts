import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';

interface ClientConfig {
  service?: { path?: string };
  url?: string;
  caBundle?: string;
}

interface Manifest {
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
  webhooks?: { clientConfig: ClientConfig }[];
}

/** Where the core manager's webhooks answer. */
export interface WebhookAddress {
  /** `https://127.0.0.1:1234` */
  readonly url: string;
  /** PEM. */
  readonly ca: string;
}

/**
 * The core provider's CustomResourceDefinitions as one YAML text, their conversion at `webhook` instead of a Service.
 */
export async function coreDefinitions(source: string, webhook: WebhookAddress): Promise<string> {
  const folder = path.join(source, 'config', 'crd', 'bases');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.yaml'));
  const all = await Promise.all(files.map((file) => manifestsOf(path.join(folder, file))));
  const conversion = {
    strategy: 'Webhook',
    webhook: { conversionReviewVersions: ['v1'], clientConfig: configOf(webhook, '/convert') },
  };
  return joined(
    all.flat().map((crd) => ({
      ...crd,
      // As config/crd/kustomization.yaml and clusterctl add them.
      metadata: {
        ...crd.metadata,
        labels: { 'cluster.x-k8s.io/provider': 'cluster-api', 'clusterctl.cluster.x-k8s.io': '' },
      },
      spec: { ...crd.spec, conversion },
    })),
  );
}

/** The core provider's admission webhooks as one YAML text, at `webhook` instead of a Service. */
export async function coreWebhooks(source: string, webhook: WebhookAddress): Promise<string> {
  const all = await manifestsOf(path.join(source, 'config', 'webhook', 'manifests.yaml'));
  return joined(
    all.map((configuration) => ({
      ...configuration,
      metadata: { name: `capi-${configuration.metadata.name}` },
      webhooks: (configuration.webhooks ?? []).map((entry) => ({
        ...entry,
        clientConfig: configOf(webhook, entry.clientConfig.service?.path ?? '/'),
      })),
    })),
  );
}

function configOf({ url, ca }: WebhookAddress, urlPath: string): ClientConfig {
  return { url: url + urlPath, caBundle: Buffer.from(ca).toString('base64') };
}

async function manifestsOf(file: string): Promise<Manifest[]> {
  const documents = parseAllDocuments(await readFile(file, 'utf8'));
  return documents.map((document) => document.toJS() as Manifest | null).filter((manifest) => manifest !== null);
}

function joined(manifests: readonly object[]): string {
  return manifests.map((manifest) => stringify(manifest, { aliasDuplicateObjects: false })).join('---\n');
}
