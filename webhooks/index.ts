import type { Server } from 'node:https';
import type { Logger } from 'pino';
import { definitionName } from '../crds/definition.ts';
import type { KubeClient } from '../kube/client.ts';
import { CLUSTERS, DEFINITIONS, type Definition } from '../kube/resource.ts';
import {
  fileCertificates,
  ownCertificates,
  type CertificateStore,
  type ServingCertificate,
} from './certificateStore.ts';
import { listenWebhook } from './server.ts';

export { WebhookListenError } from './server.ts';

export interface WebhookOptions {
  readonly bindAddress: { readonly host: string; readonly port: number };
  /** The Service through which the API server calls; its Secret has its name and `-certificate`. */
  readonly service: { readonly namespace: string; readonly name: string };
  /** `https://host:port`, for an API server that reaches the process directly; instead of the Service. */
  readonly url?: string;
  /** tls.crt, tls.key, ca.crt made by somebody else; absent: made here. */
  readonly certificateFolder?: string;
  /** How often certificate and CustomResourceDefinition are looked at again. */
  readonly checkMs?: number;
}

/** Someone may apply the CustomResourceDefinition anew, or renew the certificate, at any time. */
const CHECK_MS = 30_000;
const RETRY_MS = 2_000;
const PORT = 443;

/**
 * Serves the conversion of Beskar7Cluster, and keeps its address and authority in the CustomResourceDefinition. What Beskar7 itself needs is
 * the stored version, so that nothing of it waits for this webhook.
 */
export class Webhook {
  readonly #kube: KubeClient;
  readonly #options: WebhookOptions;
  readonly #logger: Logger;
  readonly #store: CertificateStore;
  #server: Server | undefined;
  #shown: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();
  #isStopped = false;
  #problem: string | undefined = 'the webhook has not started yet';

  constructor(deps: { kube: KubeClient; logger: Logger }, options: WebhookOptions) {
    this.#kube = deps.kube;
    this.#logger = deps.logger.child({ role: 'webhook' });
    this.#options = options;
    const { service, certificateFolder } = options;
    this.#store =
      certificateFolder === undefined
        ? ownCertificates(
            deps.kube,
            { namespace: service.namespace, name: `${service.name}-certificate` },
            namesOf(options),
          )
        : fileCertificates(certificateFolder);
  }

  /** Listens as soon as there is a certificate, and goes on looking after it. Throws WebhookListenError. */
  async start(): Promise<void> {
    await this.#check();
  }

  /** What is wrong; undefined while conversion works. */
  problem(): string | undefined {
    return this.#problem;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#checking;
    const server = this.#server;
    if (!server) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), RETRY_MS).unref();
    });
  }

  async #check(): Promise<void> {
    let isWell = false;
    let certificate: ServingCertificate | undefined;
    try {
      certificate = await this.#store.current();
    } catch (error) {
      this.#failed('its certificate could not be had', error);
    }
    if (certificate) {
      await this.#show(certificate);
      isWell = await this.#register(certificate);
    }
    if (isWell) this.#problem = undefined;
    if (this.#isStopped) return;
    const { checkMs = CHECK_MS } = this.#options;
    this.#timer = setTimeout(
      () => {
        this.#checking = this.#check().catch((error: unknown) => this.#failed('it could not be looked after', error));
      },
      isWell ? checkMs : RETRY_MS,
    );
  }

  async #show(certificate: ServingCertificate): Promise<void> {
    if (this.#shown === certificate.certificate) return;
    if (this.#server) this.#server.setSecureContext({ cert: certificate.certificate, key: certificate.key });
    else this.#server = await listenWebhook(this.#options.bindAddress, certificate, this.#logger);
    this.#shown = certificate.certificate;
    this.#logger.info('the webhook has a new certificate');
  }

  async #register({ authorities }: ServingCertificate): Promise<boolean> {
    const name = definitionName(CLUSTERS.plural);
    const wanted = conversionOf(this.#options, authorities);
    try {
      const { metadata, spec } = await this.#kube.get(DEFINITIONS, '', name);
      if (isAsWanted(spec.conversion, wanted)) return true;
      const { uid, resourceVersion } = metadata;
      await this.#kube.mergePatch(DEFINITIONS, '', name, {
        metadata: { uid, resourceVersion },
        spec: { conversion: wanted },
      });
      this.#logger.info({ definition: name }, 'the webhook is registered');
      return true;
    } catch (error) {
      this.#failed(`it could not be registered in the CustomResourceDefinition ${name}`, error);
      return false;
    }
  }

  #failed(what: string, error: unknown): void {
    this.#problem = `the webhook: ${what}: ${error instanceof Error ? error.message : String(error)}`;
    this.#logger.warn({ err: error }, `the webhook: ${what}; tries again`);
  }
}

type Conversion = NonNullable<Definition['spec']['conversion']>;

/** As a merge patch: the other of `url` and `service` is taken away. */
function conversionOf({ service, url }: WebhookOptions, authorities: string | undefined): Conversion {
  const address =
    url === undefined
      ? { url: null, service: { ...service, path: '/convert', port: PORT } }
      : { url: `${url}/convert`, service: null };
  const trust = authorities === undefined ? {} : { caBundle: Buffer.from(authorities).toString('base64') };
  return { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig: { ...address, ...trust } } };
}

function isAsWanted(found: Conversion | undefined, wanted: Conversion): boolean {
  const view = (conversion: Conversion | undefined) => {
    const { url, service, caBundle } = conversion?.webhook?.clientConfig ?? {};
    const { namespace, name, path, port } = service ?? {};
    return JSON.stringify([conversion?.strategy, url ?? null, namespace, name, path, port, caBundle]);
  };
  return view(found) === view(wanted);
}

/** What the API server may call the process: the certificate names all of them. */
function namesOf({ service, url }: WebhookOptions): string[] {
  const host = `${service.name}.${service.namespace}.svc`;
  const own = url === undefined ? [] : [new URL(url).hostname.replace(/^\[|\]$/g, '')];
  return [...own, host, `${host}.cluster.local`];
}
