import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowClientInterceptor } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { KubeClient } from '../kube/client.ts';
import type { Config } from './config.ts';
import { InstallationError, installationOf, type Installation } from './installation.ts';
import { connectTemporal, type TemporalTarget } from './temporal.ts';
import { temporalProblem } from './temporalApiKey.ts';
import { TemporalWatch } from './temporalWatch.ts';

const RETRY_MS = { first: 500, longest: 10_000 };

/** Temporal, once it has been reached, for the installation that this process is part of. */
export interface Connected {
  readonly installation: Installation;
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly watch: TemporalWatch;
}

/** The connection of a process to Temporal: made as long as it takes, followed from then on. */
export class TemporalConnection {
  readonly #target: TemporalTarget;
  readonly #kube: Pick<KubeClient, 'get'>;
  readonly #config: Pick<Config, 'clusterId' | 'namespace' | 'watchFilter'>;
  readonly #logger: Logger;
  /**
   * Resolves when this process may not continue, since the Temporal namespace is another installation's by now; it has
   * to be stopped then.
   */
  readonly refused: Promise<InstallationError>;
  #onRefused: (error: InstallationError) => void = () => undefined;
  #connected: Connected | undefined;
  #unfollowKey: () => void = () => undefined;
  /** Until Temporal has been reached for the first time. */
  #notConnected = 'not connected yet';

  constructor(
    target: TemporalTarget,
    kube: Pick<KubeClient, 'get'>,
    config: Pick<Config, 'clusterId' | 'namespace' | 'watchFilter'>,
    logger: Logger,
  ) {
    this.#target = target;
    this.#kube = kube;
    this.#config = config;
    this.#logger = logger;
    this.refused = new Promise((resolve) => (this.#onRefused = resolve));
  }

  /** Undefined until it has been reached. */
  get client(): Client | undefined {
    return this.#connected?.client;
  }

  /** What is wrong with Temporal, for the operator; undefined when it answers. */
  problem(): string | undefined {
    return this.#connected === undefined ? this.#notConnected : this.#connected.watch.problem();
  }

  /**
   * Waits for the API server and Temporal as long as it takes. Rejects with `InstallationError`, or when the signal
   * fires.
   */
  async connect(signal: AbortSignal, interceptors?: WorkflowClientInterceptor[]): Promise<Connected> {
    const installation = await this.#until(signal, 'the cluster cannot be identified yet, tries again', () =>
      installationOf(this.#kube, this.#config),
    );
    this.#connected = await this.#until(signal, 'Temporal cannot be reached, tries again', async () => {
      const logger = this.#logger;
      const made = await connectTemporal(this.#target, installation, logger, interceptors);
      const { namespace } = this.#target;
      const onTaken = (error: InstallationError) => this.#onRefused(error);
      const watch = new TemporalWatch(made.client, made.prepared, { namespace, installation, logger, onTaken });
      watch.start();
      this.#followKey(made.connection);
      return { installation, connection: made.connection, client: made.client, watch };
    });
    return this.#connected;
  }

  async stop(): Promise<void> {
    this.#unfollowKey();
    await this.#connected?.watch.stop();
    await this.#connected?.connection.close();
  }

  /** Workers and client share the connection: one call renews the key of both. */
  #followKey(connection: NativeConnection): void {
    const failed = (reason: string) =>
      this.#logger.error({ reason }, 'API key of Temporal rejected; keeping the last good one');
    const set = async (key: string) => {
      try {
        await connection.setApiKey(key);
        this.#logger.info('API key of Temporal renewed');
      } catch (error) {
        failed((error as Error).message);
      }
    };
    this.#unfollowKey =
      this.#target.apiKeyFile?.follow({ renewed: (key) => void set(key), failed }) ?? this.#unfollowKey;
  }

  async #until<T>(signal: AbortSignal, failed: string, attempt: () => Promise<T>): Promise<T> {
    for (let delayMs = RETRY_MS.first; ; delayMs = Math.min(delayMs * 2, RETRY_MS.longest)) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof InstallationError) throw error;
        this.#notConnected = temporalProblem(error, this.#target.connection.address);
        this.#logger.warn({ err: error, nextTryInMs: delayMs }, failed);
        await delay(delayMs, undefined, { signal });
      }
    }
  }
}
