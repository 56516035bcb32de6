import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import {
  InstallationError,
  namespaceFacts,
  requireOwn,
  type Installation,
  type NamespaceFacts,
} from './installation.ts';
import { isCode, NOT_FOUND, prepareTemporal, type Prepared } from './temporal.ts';
import { temporalProblem } from './temporalApiKey.ts';

const LOOK_MS = 5_000;
const CALL_MS = 4_000;
/** How often what we need in Temporal is looked for when nothing points to a change. */
const CHECK_MS = 60_000;

/** What a watch works with. */
export interface TemporalWatchOptions {
  readonly namespace: string;
  readonly installation: Installation;
  readonly logger: Logger;
  /**
   * The namespace was handed to another installation, or two have started at once and this one was the first: nothing
   * may be done any more.
   */
  readonly onTaken: (error: InstallationError) => void;
}

/**
 * Follows the connection to Temporal: one cheap call every 5 s. A namespace that is gone or another one (its database
 * was lost, or replaced) is prepared again as at the start of the process; so is one whose search attributes are
 * missing, which is looked for when the connection has come back and once a minute. Watchers and workers repeat what
 * failed meanwhile by themselves.
 */
export class TemporalWatch {
  readonly #client: Client;
  readonly #options: TemporalWatchOptions;
  #prepared: Prepared;
  #problem: string | undefined;
  #checkAtMs = performance.now() + CHECK_MS;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(client: Client, prepared: Prepared, options: TemporalWatchOptions) {
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

  /** Whether the data of the Temporal namespace say that it is this installation's. */
  get isOwner(): boolean {
    return this.#prepared.isOwner;
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
    const { namespace, installation, logger } = this.#options;
    try {
      const facts = await this.#facts();
      const isSame = facts?.id === this.#prepared.namespaceId;
      if (facts?.owner !== undefined) requireOwn(namespace, facts.owner, installation);
      const isBack = this.#problem !== undefined;
      if (!isSame || isBack || performance.now() >= this.#checkAtMs) {
        if (!isSame)
          logger.warn({ namespace }, 'this is another Temporal, or it has lost its database: preparing it again');
        this.#prepared = await prepareTemporal(
          this.#client,
          namespace,
          installation,
          logger,
          isSame ? this.#prepared : undefined,
        );
        this.#checkAtMs = performance.now() + CHECK_MS;
      }
      if (isBack) logger.info({ namespace }, 'Temporal answers again');
      this.#problem = undefined;
    } catch (error) {
      if (error instanceof InstallationError) {
        this.#problem = error.message;
        this.#options.onTaken(error);
        return;
      }
      if (this.#problem === undefined) logger.warn({ err: error, namespace }, 'Temporal does not answer');
      this.#problem = temporalProblem(error);
    }
  }

  /** Undefined: there is no such namespace. */
  async #facts(): Promise<NamespaceFacts | undefined> {
    const { namespace } = this.#options;
    try {
      return await this.#client.withDeadline(Date.now() + CALL_MS, () => namespaceFacts(this.#client, namespace));
    } catch (error) {
      if (isCode(error, NOT_FOUND)) return undefined;
      throw error;
    }
  }
}
