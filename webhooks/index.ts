import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
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
import { listenWebhook, WebhookListenError } from './server.ts';

export { WebhookListenError } from './server.ts';

/** Where the webhook listens, and how the API server reaches it. */
export interface WebhookOptions {
  readonly bindAddress: { readonly host: string; readonly port: number };
  /** The Service through which the API server calls; its Secret has its name and `-certificate`. */
  readonly service: { readonly namespace: string; readonly name: string };
  /** `https://host:port`, for an API server that reaches the process directly; instead of the Service. */
  readonly url?: string;
  /** Folder of an external tls.crt, tls.key, ca.crt; absent: created here. */
  readonly certificateFolder?: string;
  /** How often certificate and CustomResourceDefinition are looked at again. */
  readonly checkMs?: number;
}

/** Someone may apply the CustomResourceDefinition again, or renew the certificate, at any time. */
const CHECK_MS = 30_000;
const RETRY_MS = 2_000;
const PORT = 443;

/**
 * Serves the conversion of Beskar7Cluster, and keeps its address and authority in the CustomResourceDefinition. What
 * Beskar7 itself needs is the stored version, so that nothing of it waits for this webhook.
 */
export class Webhook {
  readonly #kube: KubeClient;
  readonly #options: WebhookOptions;
  readonly #logger: Logger;
  readonly #store: CertificateStore;
  #server: Server | undefined;
  #shown: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<unknown> = Promise.resolve();
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

  /** Listens as soon as there is a certificate, and continues looking after it. Throws WebhookListenError. */
  async start(): Promise<void> {
    const failure = await this.#check();
    if (failure instanceof WebhookListenError) {
      await this.stop();
      throw failure;
    }
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

  /**
   * Looks after certificate and registration, and again later, whatever goes wrong: that is logged, and returned. Never
   * rejects.
   */
  async #check(): Promise<unknown> {
    let failure: unknown;
    try {
      const certificate = await this.#store.current();
      await this.#show(certificate);
      failure = await this.#register(certificate);
    } catch (error) {
      failure = error;
      this.#failed('it has no certificate to show', error);
    }
    if (failure === undefined) this.#problem = undefined;
    if (this.#isStopped) return failure;
    const { checkMs = CHECK_MS } = this.#options;
    const again = failure === undefined ? checkMs : Math.min(RETRY_MS, checkMs);
    this.#timer = setTimeout(() => {
      this.#checking = this.#check();
    }, again);
    return failure;
  }

  async #show(certificate: ServingCertificate): Promise<void> {
    const shown = certificate.certificate + certificate.key;
    if (this.#shown === shown) return;
    // Files are replaced one after the other: what does not fit together yet is not shown.
    const context = { cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2' } as const;
    createSecureContext(context);
    if (this.#server) this.#server.setSecureContext(context);
    else this.#server = await listenWebhook(this.#options.bindAddress, certificate, this.#logger);
    this.#shown = shown;
    this.#logger.info('the webhook has a new certificate');
  }

  /** Undefined, or what went wrong. */
  async #register({ authorities }: ServingCertificate): Promise<unknown> {
    const name = definitionName(CLUSTERS.plural);
    const wanted = conversionOf(this.#options, authorities);
    try {
      const { metadata, spec } = await this.#kube.get(DEFINITIONS, '', name);
      if (isAsWanted(spec.conversion, wanted)) return undefined;
      const { uid, resourceVersion } = metadata;
      await this.#kube.mergePatch(DEFINITIONS, '', name, {
        metadata: { uid, resourceVersion },
        spec: { conversion: wanted },
      });
      this.#logger.info({ definition: name }, 'the webhook is registered');
      return undefined;
    } catch (error) {
      this.#failed(`it could not be registered in the CustomResourceDefinition ${name}`, error);
      return error;
    }
  }

  #failed(what: string, error: unknown): void {
    this.#problem = `the webhook: ${what}: ${error instanceof Error ? error.message : String(error)}`;
    this.#logger.warn({ err: error }, `the webhook: ${what}; retrying`);
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
