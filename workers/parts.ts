import type { Server } from 'node:http';
import type { Logger } from 'pino';

interface Part {
  readonly name: string;
  stop(): Promise<unknown>;
}

/** What a process has started, in order; it is stopped in the reverse order. */
export class Parts {
  readonly #parts: Part[] = [];

  /** `name` is for the log line of a part that does not stop. */
  add(name: string, stop: () => Promise<unknown>): void {
    this.#parts.push({ name, stop });
  }

  /** An HTTP server: its connections are cut, also those in use. */
  addServer(name: string, server: Server): void {
    this.add(
      name,
      () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
  }

  /** Stops one part after the other; one that fails is logged, and the others are stopped all the same. */
  async stop(logger: Logger): Promise<void> {
    for (const part of this.#parts.reverse()) {
      try {
        await part.stop();
      } catch (error) {
        logger.error({ err: error, part: part.name }, 'part failed to stop cleanly');
      }
    }
  }
}
