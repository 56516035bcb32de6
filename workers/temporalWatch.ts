import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { isCode, namespaceIdOf, NOT_FOUND, prepareTemporal, type Prepared } from './temporal.ts';

const LOOK_MS = 5_000;
const CALL_MS = 4_000;
/** How often what we need in Temporal is looked for when nothing points to a change. */
const CHECK_MS = 60_000;

/**
 * Follows the connection to Temporal: one cheap call every 5 s. A namespace that is gone or another one (its database was lost, or
 * replaced) is prepared again as at the start of the process; so is one whose search attributes are missing, which is looked for when
 * the connection has come back and once a minute. Watchers and workers repeat what failed meanwhile by themselves.
 */
export class TemporalWatch {
  readonly #client: Client;
  readonly #options: { readonly namespace: string; readonly logger: Logger };
  #prepared: Prepared;
  #problem: string | undefined;
  #checkAtMs = performance.now() + CHECK_MS;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(client: Client, prepared: Prepared, options: { readonly namespace: string; readonly logger: Logger }) {
    this.#client = client;
    this.#prepared = prepared;
    this.#options = options;
  }

  /** What is wrong with Temporal, for the operator; undefined when it answers. */
  problem(): string | undefined {
    return this.#problem;
  }

  /** Whether runs may be started with our search attributes. */
  get hasSearchAttributes(): boolean {
    return this.#prepared.hasSearchAttributes;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
  }

  /** A look that takes longer than a call does not hold a shutdown up: it ends with the connection. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([this.#looking, delay(CALL_MS, undefined, { ref: false })]);
  }

  /** One look, and what follows from it; never rejects, and never runs twice at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { namespace, logger } = this.#options;
    try {
      const isSame = (await this.#namespaceId()) === this.#prepared.namespaceId;
      const isBack = this.#problem !== undefined;
      if (!isSame || isBack || performance.now() >= this.#checkAtMs) {
        if (!isSame)
          logger.warn({ namespace }, 'this is another Temporal, or it has lost its database: it is prepared anew');
        this.#prepared = await prepareTemporal(this.#client, namespace, logger, isSame ? this.#prepared : undefined);
        this.#checkAtMs = performance.now() + CHECK_MS;
      }
      if (isBack) logger.info({ namespace }, 'Temporal answers again');
      this.#problem = undefined;
    } catch (error) {
      if (this.#problem === undefined) logger.warn({ err: error, namespace }, 'Temporal does not answer');
      this.#problem = `Temporal cannot be reached: ${(error as Error).message}`;
    }
  }

  /** Undefined: there is no such namespace. */
  async #namespaceId(): Promise<string | undefined> {
    const { namespace } = this.#options;
    try {
      return await this.#client.withDeadline(Date.now() + CALL_MS, () => namespaceIdOf(this.#client, namespace));
    } catch (error) {
      if (isCode(error, NOT_FOUND)) return undefined;
      throw error;
    }
  }
}
