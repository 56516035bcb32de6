import { Client, Connection } from '@temporalio/client';
import { workflowId } from '../contracts/names.ts';
import { forEachLimited, poll } from './waiting.ts';

const DESCRIBES_AT_ONCE = 8;

/** Reads how long the histories of the provision runs are. */
export class HistoryReader {
  readonly #connection: Connection;
  readonly #client: Client;

  private constructor(connection: Connection, namespace: string) {
    this.#connection = connection;
    this.#client = new Client({ connection, namespace });
  }

  /** Rejects when Temporal cannot be reached. */
  static async connect(address: string, namespace: string): Promise<HistoryReader> {
    return new HistoryReader(await Connection.connect({ address, connectTimeout: '10s' }), namespace);
  }

  /**
   * Events of the last provision run of each machine, which is waited for to close; a run that stays open counts as it
   * is. A machine without a run is left out.
   */
  async provisionHistoryLengths(
    machines: readonly { namespace: string; name: string }[],
    bounds: { timeoutMs: number; signal: AbortSignal },
  ): Promise<number[]> {
    const endsAt = performance.now() + bounds.timeoutMs;
    const lengths: number[] = [];
    await forEachLimited(machines, DESCRIBES_AT_ONCE, async (machine) => {
      const handle = this.#client.workflow.getHandle(workflowId('provision', machine));
      let length: number | undefined;
      const isClosed = async () => {
        const run = await handle.describe();
        length = run.historyLength;
        return run.status.name === 'RUNNING' ? undefined : true;
      };
      const timeoutMs = Math.max(0, endsAt - performance.now());
      await poll('', isClosed, { timeoutMs, everyMs: 200, signal: bounds.signal }).catch(() => undefined);
      if (length !== undefined) lengths.push(length);
    });
    return lengths;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
