import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import { createInformers, createStarter, type Informers } from '../controllers/index.ts';
import { CodecKeysError } from '../codec/keys.ts';
import { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import { defined } from '../untrusted/defined.ts';
import { activityWork, type ActivityWork } from './activityWork.ts';
import { warnOfClock } from './clockGuard.ts';
import { UsageError, type Config } from './config.ts';
import { Health, listenMetrics } from './health.ts';
import type { InstallationError } from './installation.ts';
import { loadKubeConfig } from './kubeConfig.ts';
import { createLogger } from './logger.ts';
import { countedFrom, createMetrics, type Metrics } from './metrics.ts';
import { Parts } from './parts.ts';
import { definitionsOf, servesRequests, usesTemporal, watchedKinds } from './roles/index.ts';
import type { CachesContext, ProcessContext, RoleDefinition } from './roles/role.ts';
import { sdkMetrics } from './sdkMetrics.ts';
import { temporalTarget, type TemporalTarget } from './temporal.ts';
import { ApiKeyError } from './temporalApiKey.ts';
import { TemporalConnection } from './temporalConnection.ts';
import { installTemporalRuntime } from './temporalRuntime.ts';
import { traceOfMachine } from './traceOfMachine.ts';
import type { Tracing } from './tracing/index.ts';
import { traceSettings } from './tracing/settings.ts';
import { VERSION } from './version.ts';

/** A watch that has not worked for this long makes the process not ready. */
const CACHE_LAG_MS = 60_000;

/**
 * One process of Beskar7. It starts what all roles need, and each role (`roles/`) as soon as that is there: some when
 * the health listener is open, some when the watch caches are filled, the others when Temporal has been reached. It is
 * stopped in the reverse order.
 */
export class Beskar7 {
  readonly logger: Logger;
  readonly #config: Config;
  readonly #roles: readonly RoleDefinition[];
  readonly #health = new Health();
  readonly #parts = new Parts();
  readonly #kubeConfig: KubeConfig;
  readonly #kube: KubeClient;
  readonly #target: TemporalTarget;
  readonly #temporal: TemporalConnection;
  readonly #stopping = new AbortController();
  #tracing: Tracing | undefined;

  /** Throws UsageError for an unreadable kubeconfig. */
  constructor(config: Config) {
    this.#config = config;
    this.#roles = definitionsOf(config.roles);
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
      if (error instanceof CodecKeysError || error instanceof ApiKeyError) throw new UsageError(error.message);
      throw new UsageError(`beskar7: the configuration of Temporal cannot be read: ${(error as Error).message}`);
    }
    this.#temporal = new TemporalConnection(this.#target, this.#kube, config, this.logger);
  }

  /** `stop` was called: what still waits for something rejects. */
  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /**
   * Resolves when this process may not continue, since the Temporal namespace is another installation's by now; it has
   * to be stopped then.
   */
  get refused(): Promise<InstallationError> {
    return this.#temporal.refused;
  }

  /**
   * Opens the health listener, so that a process that waits for its surroundings can be seen to wait. Callbacks and
   * conversion are served without Temporal, and so is the web page once Temporal has been reached: a process that a
   * Service sends requests to is ready without it, and says in /readyz what is missing (docs/decisions/0013). One that
   * only works for Temporal is not.
   */
  async listen(): Promise<void> {
    const decides = !servesRequests(this.#config.roles);
    if (usesTemporal(this.#config.roles)) this.#health.set('temporal', () => this.#temporal.problem(), { decides });
    this.#health.set('clock', () => this.#kube.clock.problem(), { decides });
    for (const role of this.#roles) role.announce?.(this.#context());
    this.#parts.addServer('health', await this.#health.listen(this.#config.healthBindAddress, this.logger));
  }

  /** Starts everything that the roles ask for; waits for the API server and Temporal as long as it takes. */
  async run(): Promise<void> {
    const { roles } = this.#config;
    this.logger.info({ roles, temporal: this.#target.connection.address, namespace: this.#target.namespace }, 'starts');
    await this.#startTracing();
    const endWarnings = warnOfClock(this.#kube.clock, this.logger);
    this.#parts.add('clock', () => Promise.resolve(endWarnings()));
    const metrics: Metrics = createMetrics(countedFrom(() => informers, this.#kube.clock, this.#temporal));
    const informers = this.#informers(metrics);
    await this.#listenMetrics(metrics);
    const base = this.#context();
    for (const role of this.#roles) if (role.after === 'listening') await role.start(base);
    informers.start();
    this.#parts.add('informers', () => informers.stop());
    const recorder = new EventRecorder(this.#kube, { component: 'beskar7', logger: this.logger });
    this.#parts.add('events', () => recorder.flush());
    await informers.waitForSync(this.#stopping.signal);
    if (usesTemporal(roles))
      await this.#runWithTemporal({ ...base, informers, recorder, temporal: this.#temporal }, metrics);
    this.logger.info('runs');
  }

  /** Not ready first, then the parts in reverse order; requests and activities in flight end in order. */
  async stop(why: string): Promise<void> {
    this.logger.info({ why }, 'stops');
    this.#health.stopping();
    this.#stopping.abort(new Error('the process is shutting down'));
    await this.#parts.stop(this.logger);
    await this.#kube.close();
    this.logger.info('stopped');
  }

  #context(): ProcessContext {
    return {
      config: this.#config,
      logger: this.logger,
      kubeConfig: this.#kubeConfig,
      kube: this.#kube,
      health: this.#health,
      parts: this.#parts,
      stopping: this.#stopping.signal,
    };
  }

  async #runWithTemporal(caches: CachesContext, metrics: Metrics): Promise<void> {
    // Its end comes after that of the callbacks, which tell their runs until the last one.
    this.#parts.add('temporal', () => this.#temporal.stop());
    for (const role of this.#roles) if (role.after === 'caches') await role.start(caches);
    const { connection, client, watch, installation } = await this.#temporal.connect(
      caches.stopping,
      this.#tracing?.clientInterceptors,
    );
    caches.stopping.throwIfAborted();
    const starter = createStarter(client, {
      installation: installation.id,
      searchAttributes: () => this.#config.searchAttributes && watch.hasSearchAttributes,
      logger: this.logger,
    });
    const known = { ...caches, client, target: this.#target, starter };
    const owner = { installation: installation.id, isOwner: () => watch.isOwner };
    let made: ActivityWork | undefined;
    const work = () =>
      (made ??= activityWork(
        { ...known, connection, owner, metrics, tracing: this.#tracing },
        { parts: this.#parts, health: this.#health, decides: !servesRequests(this.#config.roles) },
      ));
    for (const role of this.#roles) if (role.after === 'temporal') await role.start({ ...known, work });
  }

  #informers(metrics: Metrics): Informers {
    const { roles, namespace, watchFilter } = this.#config;
    const informers = createInformers(this.#kube, {
      logger: this.logger,
      kinds: watchedKinds(roles),
      observerOf: metrics.watchObserverOf,
      ...defined({ namespace, watchFilter }),
    });
    if (this.#tracing) this.#tracing.ids.ofMachine = traceOfMachine(informers);
    this.#health.set('caches', () => {
      if (!informers.synced()) return 'the watch caches are not filled yet';
      return informers.problems(CACHE_LAG_MS)[0];
    });
    this.#health.set('watches', () => informers.problems(0)[0], { decides: false });
    return informers;
  }

  /** Only then are its libraries loaded. */
  async #startTracing(): Promise<void> {
    const settings = traceSettings(process.env);
    if (settings === undefined) return;
    const { startTracing } = await import('./tracing/index.ts');
    const tracing = startTracing(settings, this.logger);
    this.#tracing = tracing;
    this.#parts.add('traces', () => tracing.stop());
  }

  async #listenMetrics({ registry }: Metrics): Promise<void> {
    const sdk = await sdkMetrics();
    const server = await listenMetrics(this.#config.metricsBindAddress, this.logger, registry, () => sdk.read());
    this.#parts.addServer('metrics', server);
    installTemporalRuntime(this.logger, sdk.port);
  }
}
