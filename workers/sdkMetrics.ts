import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { request } from 'undici';

const TIMEOUT_MS = 2_000;

/** The metrics of the Temporal SDK's core, which it serves on a port of its own; we serve them with ours. */
export interface SdkMetrics {
  /** On loopback. */
  readonly port: number;
  /** In the text format of Prometheus. Rejects while the core does not serve them. */
  read(): Promise<string>;
}

/** Finds a port for them: one that was free a moment ago. */
export async function sdkMetrics(): Promise<SdkMetrics> {
  const port = await freePort();
  return {
    port,
    async read() {
      const { body } = await request(`http://127.0.0.1:${port}/metrics`, {
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      return body.text();
    },
  };
}

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
