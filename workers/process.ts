import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { KubeConfig } from '@kubernetes/client-node';
import type { NativeConnection } from '@temporalio/worker';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { request } from 'undici';
import { noteBmcRequest } from '../activities/bmc/bmcRequests.ts';
import { HostReservations } from '../activities/claim/hostReservations.ts';
import { CredentialCache } from '../activities/bmc/credentialCache.ts';
import { SecretMarks } from '../activities/store/secretMarks.ts';
import type { Dependencies } from '../activities/dependencies.ts';
import { startApi } from '../api/index.ts';
import {
  createInformers,
  createStarter,
  startControllers,
  type Informers,
  type Starter,
} from '../controllers/index.ts';
import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { claimOf } from '../model/claim.ts';
import { findCondition } from '../crds/conditions.ts';
import { CONDITIONS, MACHINE_REASONS } from '../crds/reasons.ts';
import { consumerOf } from '../model/references.ts';
import { CodecKeysError } from '../codec/keys.ts';
import { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import { RedfishPool } from '../redfish/index.ts';
import { bmcNetworks } from './bmcNetworks.ts';
import { ownCallbackTls } from './callbackCertificate.ts';
import { callbackDependencies } from './callbacks.ts';
import { cachesOf } from './caches.ts';
import { warnOfClock } from './clockGuard.ts';
import { UsageError, type Config, type Role } from './config.ts';
import { Health, listenMetrics } from './health.ts';
import { loadKubeConfig } from './kubeConfig.ts';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import type { InstallationError } from './installation.ts';
import { temporalTarget, type TemporalTarget } from './temporal.ts';
import { TemporalConnection } from './temporalConnection.ts';
import { installTemporalRuntime } from './temporalRuntime.ts';
import { TemporalWorkers } from './temporalWorkers.ts';
import { servesRequests, usesTemporal, watchedKinds } from './roles.ts';
import type { Tracing } from './tracing/index.ts';
import { traceSettings } from './tracing/settings.ts';
import { VERSION } from './version.ts';
import { startWebPage } from './web.ts';
import { Webhook } from '../webhooks/index.ts';

/** A watch that has not worked for so long makes the process not ready. */
const CACHE_LAG_MS = 60_000;

/** Anything that was started and has to be stopped, in the reverse order. */
interface Part {
  readonly name: string;
  stop(): Promise<unknown>;
}

/** One process of Beskar7: its parts by role, started in order, stopped in reverse. */
export class Beskar7 {
  readonly logger: Logger;
  readonly #config: Config;
  readonly #health = new Health();
  readonly #parts: Part[] = [];
  readonly #kubeConfig: KubeConfig;
  readonly #kube: KubeClient;
  readonly #target: TemporalTarget;
  readonly #stopping = new AbortController();
  #sdkMetricsPort = 0;
  readonly #temporal: TemporalConnection;
  #api: string | undefined = 'does not listen yet';
  #web: string | undefined = 'does not listen yet';
  #tracing: Tracing | undefined;

  /** Throws UsageError for an unreadable kubeconfig. */
  constructor(config: Config) {
    this.#config = config;
    const isTraced = traceSettings(process.env) !== undefined;
    this.logger = createLogger({
      level: config.logLevel,
      file: config.logFile,
      more: isTraced ? (fields) => this.#tracing?.ids.fieldsOf(fields) ?? {} : undefined,
    });
    this.#kubeConfig = loadKubeConfig(config);
    this.#kube = KubeClient.fromConfig(this.#kubeConfig, { userAgent: `beskar7/${VERSION}` });
    try {
      this.#target = temporalTarget(config);
    } catch (error) {
      if (error instanceof CodecKeysError) throw new UsageError(error.message);
      throw new UsageError(`beskar7: the configuration of Temporal cannot be read: ${(error as Error).message}`);
    }
    this.#temporal = new TemporalConnection(this.#target, this.#kube, config, this.logger);
  }

  /** `stop` was called: what still waits for something rejects. */
  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /**
   * Resolves when this process may not go on, since the Temporal namespace is another installation's by now; it has to
   * be stopped then.
   */
  get refused(): Promise<InstallationError> {
    return this.#temporal.refused;
  }

  /** Opens the health listener, so that a process that waits for its surroundings can be seen to wait. */
  async listen(): Promise<void> {
    this.#setChecks();
    this.#own('health', await this.#health.listen(this.#config.healthBindAddress, this.logger));
  }

  /**
   * Callbacks and conversion are served without Temporal, and so is the web page once Temporal has been reached: a
   * process that a Service sends requests to is ready without it, and says in /readyz what is missing
   * (docs/decisions/0013). One that only works for Temporal is not.
   */
  #setChecks(): void {
    const decides = !servesRequests(this.#config.roles);
    if (usesTemporal(this.#config.roles)) this.#health.set('temporal', () => this.#temporal.problem(), { decides });
    this.#health.set('clock', () => this.#kube.clock.problem(), { decides });
    if (this.#has('api')) this.#health.set('api', () => this.#api);
    else if (this.#has('web') && this.#config.webBindAddress !== undefined && !this.#has('webhook'))
      this.#health.set('web', () => this.#web);
  }

  /** Starts everything that the roles ask for; waits for the API server and Temporal as long as it takes. */
  async run(): Promise<void> {
    const { logger } = this;
    const config = this.#config;
    logger.info(
      { roles: config.roles, temporal: this.#target.connection.address, namespace: this.#target.namespace },
      'starts',
    );
    await this.#startTracing();
    const endWarnings = warnOfClock(this.#kube.clock, logger);
    this.#parts.push({ name: 'clock', stop: () => Promise.resolve(endWarnings()) });
    const metrics: ReturnType<typeof createMetrics> = createMetrics({
      hosts: () => informers.hosts.list(),
      machines: () => informers.machines.list(),
      waiting: () => informers.machines.list().filter(isWaiting),
      isTemporalWell: () => this.#temporal.problem() === undefined,
      watches: () => informers.watches(),
      clockSkewMs: () => this.#kube.clock.skewMs(),
    });
    const informers: Informers = createInformers(this.#kube, {
      logger,
      kinds: watchedKinds(config.roles),
      observerOf: metrics.watchObserverOf,
      ...(config.namespace === undefined ? {} : { namespace: config.namespace }),
      ...(config.watchFilter === undefined ? {} : { watchFilter: config.watchFilter }),
    });
    if (this.#tracing) this.#tracing.ids.ofMachine = traceOfMachine(informers);
    await this.#listenMetrics(metrics.registry);
    installTemporalRuntime(logger, this.#sdkMetricsPort);
    this.#health.set('caches', () => {
      if (!informers.synced()) return 'the watch caches are not filled yet';
      return informers.problems(CACHE_LAG_MS)[0];
    });
    this.#health.set('watches', () => informers.problems(0)[0], { decides: false });
    // Before everything that may wait: clients of other versions wait for it.
    if (this.#has('webhook')) await this.#startWebhook();
    informers.start();
    this.#parts.push({ name: 'informers', stop: () => informers.stop() });
    const recorder = new EventRecorder(this.#kube, { component: 'beskar7', logger });
    this.#parts.push({ name: 'events', stop: () => recorder.flush() });
    await informers.waitForSync(this.#stopping.signal);
    if (!usesTemporal(config.roles)) {
      logger.info('runs');
      return;
    }
    // Its end comes after that of the callbacks, which tell their runs until the last one.
    this.#parts.push({ name: 'temporal', stop: () => this.#temporal.stop() });
    // Reports of booting servers are stored on their hosts, whether Temporal can be told or not.
    if (this.#has('api')) await this.#startApi(informers, recorder);
    const { connection, client, watch, installation } = await this.#temporal.connect(
      this.#stopping.signal,
      this.#tracing?.clientInterceptors,
    );
    this.#stopping.signal.throwIfAborted();
    const starter = createStarter(client, {
      installation: installation.id,
      searchAttributes: () => config.searchAttributes && watch.hasSearchAttributes,
      logger,
    });
    if (this.#has('web')) await this.#startWeb(informers, client, recorder);
    if (this.#has('worker') || this.#has('bmc-worker')) {
      const deps = this.#dependencies(informers, client, starter, recorder, metrics);
      await this.#startWorkers(connection, { installation: installation.id, isOwner: () => watch.isOwner }, deps);
    }
    if (this.#has('controllers')) {
      const controllers = startControllers({
        kube: this.#kube,
        starter,
        logger,
        recorder,
        informers,
        timing: { resyncMs: config.resync, orphanReleaseMs: config.orphanReleaseAfter },
        monitor: {
          shards: config.monitorInterval > 0 ? config.monitorShards : 0,
          intervalMs: config.monitorInterval,
        },
      });
      this.#parts.push({ name: 'controllers', stop: () => controllers.stop() });
    }
    logger.info('runs');
  }

  /** Not ready first, then the parts in reverse order; requests and activities in flight end in order. */
  async stop(why: string): Promise<void> {
    this.logger.info({ why }, 'stops');
    this.#health.stopping();
    this.#stopping.abort(new Error('the process is shutting down'));
    for (const part of this.#parts.reverse()) {
      try {
        await part.stop();
      } catch (error) {
        this.logger.error({ err: error, part: part.name }, 'did not stop in order');
      }
    }
    await this.#kube.close();
    this.logger.info('stopped');
  }

  #has(role: Role): boolean {
    return this.#config.roles.includes(role);
  }

  #own(name: string, server: Server): void {
    this.#parts.push({
      name,
      stop: () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    });
  }

  /** Only then are its libraries loaded. */
  async #startTracing(): Promise<void> {
    const settings = traceSettings(process.env);
    if (settings === undefined) return;
    const { startTracing } = await import('./tracing/index.ts');
    const tracing = startTracing(settings, this.logger);
    this.#tracing = tracing;
    this.#parts.push({ name: 'traces', stop: () => tracing.stop() });
  }

  async #listenMetrics(registry: Parameters<typeof listenMetrics>[2]): Promise<void> {
    this.#sdkMetricsPort = await freePort();
    const sdk = async () => {
      const { body } = await request(`http://127.0.0.1:${this.#sdkMetricsPort}/metrics`, {
        headersTimeout: 2_000,
        bodyTimeout: 2_000,
      });
      return body.text();
    };
    this.#own('metrics', await listenMetrics(this.#config.metricsBindAddress, this.logger, registry, sdk));
  }

  async #startApi(informers: Informers, recorder: EventRecorder): Promise<void> {
    const config = this.#config;
    const client = () => this.#temporal.client;
    const { callbackCertificateSecret, callbackUrl } = config;
    const tls =
      callbackCertificateSecret === undefined || callbackUrl === undefined
        ? undefined
        : await ownCallbackTls(
            { kube: this.#kube, logger: this.logger, signal: this.#stopping.signal },
            callbackCertificateSecret,
            callbackUrl,
          );
    const api = await startApi(
      callbackDependencies({ kube: this.#kube, informers, client, recorder, logger: this.logger }),
      {
        callbackBindAddress: config.callbackBindAddress,
        bootBindAddress: config.bootBindAddress,
        ...(config.callbackUrl === undefined ? {} : { callbackUrl: config.callbackUrl }),
        ...(config.tlsCertDir === undefined ? {} : { tlsCertDir: config.tlsCertDir }),
        ...(tls === undefined ? {} : { tls }),
        trustedProxies: config.trustedProxies,
        bootByMac: config.bootByMac,
        inspectionTimeoutMs: config.inspectionTimeout,
        provisioningTimeoutMs: config.provisioningTimeout,
        ...(config.imagesFolder === undefined ? {} : { imagesFolder: config.imagesFolder }),
      },
    );
    this.#api = undefined;
    this.#parts.push({ name: 'api', stop: () => api.stop() });
  }

  async #startWeb(informers: Informers, client: Client, recorder: EventRecorder): Promise<void> {
    const { webBindAddress } = this.#config;
    if (webBindAddress === undefined) return;
    const web = await startWebPage(
      {
        kubeConfig: this.#kubeConfig,
        informers,
        client,
        temporalNamespace: this.#target.namespace,
        recorder,
        logger: this.logger,
      },
      webBindAddress,
      this.#config,
    );
    this.#web = undefined;
    this.#parts.push({ name: 'web', stop: () => web.stop() });
  }

  /**
   * Out of the cluster the API server needs an address of its own for the process: without one nothing is registered.
   */
  async #startWebhook(): Promise<void> {
    const { webhookBindAddress, webhookService, webhookUrl, webhookCertDir } = this.#config;
    if (webhookUrl === undefined && process.env.KUBERNETES_SERVICE_HOST === undefined) {
      this.logger.info('the conversion webhook is not served: outside of a cluster it needs --webhook-url');
      return;
    }
    const webhook = new Webhook(
      { kube: this.#kube, logger: this.logger },
      {
        bindAddress: webhookBindAddress,
        service: webhookService,
        ...(webhookUrl === undefined ? {} : { url: webhookUrl }),
        ...(webhookCertDir === undefined ? {} : { certificateFolder: webhookCertDir }),
      },
    );
    this.#health.set('webhook', () => webhook.problem());
    this.#parts.push({ name: 'webhook', stop: () => webhook.stop() });
    await webhook.start();
  }

  async #startWorkers(
    connection: NativeConnection,
    owner: Parameters<TemporalWorkers['start']>[3],
    deps: Dependencies,
  ): Promise<void> {
    const workers = new TemporalWorkers(this.logger);
    this.#parts.push({ name: 'redfish', stop: () => deps.redfish.closeAll() });
    this.#parts.push({ name: 'workers', stop: () => workers.stop() });
    await workers.start(this.#config, connection, this.#target, owner, deps, this.#tracing);
    this.#health.set('workers', () => workers.problem(), { decides: !servesRequests(this.#config.roles) });
  }

  #dependencies(
    informers: Informers,
    temporal: Client,
    starter: Starter,
    recorder: EventRecorder,
    { activities, redfishRequest }: Pick<ReturnType<typeof createMetrics>, 'activities' | 'redfishRequest'>,
  ): Dependencies {
    const config = this.#config;
    return {
      kube: this.#kube,
      redfish: new RedfishPool({
        networks: bmcNetworks(config, process.env),
        requiresHttps: config.requireBmcHttps,
        observe: (request) => {
          redfishRequest(request);
          noteBmcRequest(request);
        },
      }),
      caches: cachesOf(informers),
      reservations: new HostReservations(),
      credentials: new CredentialCache(this.#kube),
      secretMarks: new SecretMarks(this.#kube),
      recorder,
      temporal,
      releases: {
        startOrWake: (input) => starter.startOrWakeRelease(input),
        start: async (input) => void (await starter.startRelease(input)),
      },
      logger: this.logger,
      metrics: activities,
      options: {
        bootTimeoutMs: config.bootTimeout,
        inspectionTimeoutMs: config.inspectionTimeout,
        provisioningTimeoutMs: config.provisioningTimeout,
        gracefulShutdownMs: config.gracefulShutdownTimeout,
      },
      stopping: this.#stopping.signal,
    };
  }
}

/** The trace of a machine by the claim on its host: for machines whose run another process has started. */
function traceOfMachine(informers: Informers): (namespace: string, machine: string) => string | undefined {
  return (namespace, machine) => {
    const { uid } = informers.machines.get(namespace, machine)?.metadata ?? {};
    const hosts = informers.hosts.byIndex('byConsumer', `${namespace}/${machine}`);
    const host = hosts.find((one) => uid !== undefined && consumerOf(one)?.uid === uid);
    return host && claimOf(host)?.traceparent?.split('-')[1];
  };
}

function isWaiting({ status }: Beskar7Machine): boolean {
  return findCondition(status?.conditions, CONDITIONS.ready)?.reason === MACHINE_REASONS.noMatchingHost;
}

/** A port that was free a moment ago, for the metrics of the SDK's core, which we serve with ours. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
