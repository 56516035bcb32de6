import { userInfo } from 'node:os';
import type { Client } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { readerOf, WITHOUT_KEYS } from '../codec/history.ts';
import { KubeClient, type List } from '../kube/client.ts';
import { isExpired } from '../kube/error.ts';
import type { Identified, Resource } from '../kube/resource.ts';
import { CliError, endOf, EXIT } from './exit.ts';
import type { Io } from './io.ts';

/** The flags that every command has. */
export interface Flags {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly temporalAddress?: string;
  readonly temporalNamespace?: string;
  readonly temporalCodecKeys?: string;
  /** Milliseconds. */
  readonly requestTimeout: number;
}

/** Which objects of a kind. */
export interface Where {
  /** Undefined: all. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string;
}

const PAGE = 500;

/** One call of the plugin: its cluster, its Temporal, its streams. Both are connected to when they are needed. */
export class Session {
  readonly io: Io;
  readonly flags: Flags;
  #kube: Promise<{ kube: KubeClient; namespace: string; server: string }> | undefined;
  #temporal: Promise<Temporal> | undefined;

  constructor(io: Io, flags: Flags) {
    this.io = io;
    this.flags = flags;
  }

  get timeoutMs(): number {
    return this.flags.requestTimeout;
  }

  async kube(): Promise<KubeClient> {
    return (await this.#cluster()).kube;
  }

  /** `--namespace`, else that of the context, else `default`. */
  async namespace(): Promise<string> {
    return this.flags.namespace ?? (await this.#cluster()).namespace;
  }

  /** The address of the API server. */
  async server(): Promise<string> {
    return (await this.#cluster()).server;
  }

  /** Rejects when Temporal cannot be reached. */
  temporal(): Promise<Temporal> {
    this.#temporal ??= connect(this.flags, this.io.env);
    return this.#temporal;
  }

  /** What Temporal says, or in words why it does not: many may look at the cluster and not at Temporal. */
  async tryTemporal<R>(
    ask: (temporal: Temporal) => Promise<R>,
  ): Promise<{ readonly value?: R; readonly silent?: string }> {
    try {
      return { value: await ask(await this.temporal()) };
    } catch (error) {
      return { silent: endOf(error).message };
    }
  }

  /** All objects of a kind, in pages. `namespace` undefined: of all namespaces. */
  async list<T extends Identified>(resource: Resource<T>, where: Where = {}): Promise<T[]> {
    return (await this.listed(resource, where)).items;
  }

  /** The same with the resourceVersion from which a watch continues. */
  async listed<T extends Identified>(resource: Resource<T>, where: Where = {}): Promise<List<T>> {
    const kube = await this.kube();
    const { labelSelector, ...rest } = where;
    const asked = { ...rest, ...(labelSelector === undefined ? {} : { labelSelector }), limit: PAGE };
    for (let attempt = 1; ; attempt += 1) {
      try {
        let page = await kube.list(resource, asked);
        const { resourceVersion } = page;
        const items = [...page.items];
        for (; page.continue !== undefined; items.push(...page.items))
          page = await kube.list(resource, { ...asked, continue: page.continue });
        return { items, resourceVersion };
      } catch (error) {
        // The list took so long that its beginning is too old by now.
        if (!isExpired(error) || attempt >= 3) throw error;
      }
    }
  }

  /** The flags that select the same cluster, for commands to copy. */
  get flagsToCopy(): string {
    const { context, kubeconfig } = this.flags;
    return [
      ...(kubeconfig === undefined ? [] : [`--kubeconfig ${quoted(kubeconfig)}`]),
      ...(context === undefined ? [] : [`--context ${quoted(context)}`]),
    ].join(' ');
  }

  async close(): Promise<void> {
    const [cluster, temporal] = await Promise.allSettled([this.#kube, this.#temporal]);
    await Promise.allSettled([
      cluster.status === 'fulfilled' ? cluster.value?.kube.close() : undefined,
      temporal.status === 'fulfilled' ? temporal.value?.client.connection.close() : undefined,
    ]);
  }

  #cluster(): Promise<{ kube: KubeClient; namespace: string; server: string }> {
    this.#kube ??= this.#loadCluster();
    return this.#kube;
  }

  async #loadCluster(): Promise<{ kube: KubeClient; namespace: string; server: string }> {
    // It takes long to load: `--help` does without.
    const { KubeConfig } = await import('./libraries/kubernetes.ts');
    const { kubeconfig, context, requestTimeout } = this.flags;
    const config = new KubeConfig();
    try {
      if (kubeconfig === undefined) config.loadFromDefault();
      else config.loadFromFile(kubeconfig);
    } catch (error) {
      const what = kubeconfig ?? 'the default kubeconfig';
      throw new CliError(EXIT.usage, `${what} cannot be read: ${(error as Error).message}`);
    }
    if (context !== undefined) {
      if (config.getContextObject(context) === null)
        throw new CliError(EXIT.usage, `The kubeconfig has no context "${context}"; see: kubectl config get-contexts`);
      config.setCurrentContext(context);
    }
    const cluster = config.getCurrentCluster();
    if (cluster === null)
      throw new CliError(
        EXIT.usage,
        'The kubeconfig has no current cluster; set a current context, or use --context or --kubeconfig.',
      );
    // What the library takes where it finds none.
    if (kubeconfig === undefined && cluster.server === 'http://localhost:8080')
      throw new CliError(EXIT.usage, 'There is no kubeconfig: set KUBECONFIG or --kubeconfig.');
    const kube = KubeClient.fromConfig(config, { userAgent: 'kubectl-beskar7', timeoutMs: requestTimeout });
    const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
    return { kube, namespace, server: cluster.server };
  }
}

/** A Temporal that can be asked. */
export interface Temporal {
  readonly client: Client;
  readonly namespace: string;
  readonly address: string;
}

/** Flags first, then the environment and the profile of the temporal command line. */
async function connect(flags: Flags, env: Io['env']): Promise<Temporal> {
  const { Client, Connection, loadClientConnectConfig } = await import('./libraries/temporal.ts');
  const { connectionOptions, namespace: profiled } = loadClientConnectConfig();
  const address = flags.temporalAddress ?? connectionOptions.address ?? 'localhost:7233';
  const namespace =
    flags.temporalNamespace ?? (profiled === undefined || profiled === 'default' ? 'beskar7' : profiled);
  const dataConverter = await converterOf(flags.temporalCodecKeys);
  try {
    const connection = await Connection.connect({
      ...connectionOptions,
      address,
      connectTimeout: flags.requestTimeout,
    });
    const identity = `kubectl-beskar7 ${env['USER'] ?? userInfo().username}`;
    return { client: new Client({ connection, namespace, identity, dataConverter }), namespace, address };
  } catch (error) {
    const { code, message } = endOf(error);
    if (code === EXIT.forbidden) throw new CliError(code, message);
    throw new CliError(
      EXIT.unreachable,
      `Temporal cannot be reached at ${address}: set --temporal-address or TEMPORAL_ADDRESS. ` +
        'In a cluster, for example: kubectl -n beskar7-system port-forward service/beskar7-temporal 7233',
    );
  }
}

/** Reads what is encrypted in Temporal, for those who have the keys. Throws CliError. */
async function converterOf(folder: string | undefined): Promise<DataConverter> {
  if (folder === undefined) return { payloadCodecs: [WITHOUT_KEYS] };
  const { EncryptionCodec, KeyRing } = await import('./libraries/codec.ts');
  try {
    return { payloadCodecs: [readerOf(new EncryptionCodec(KeyRing.open(folder)))] };
  } catch (error) {
    throw new CliError(EXIT.usage, (error as Error).message);
  }
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
