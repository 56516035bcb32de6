import { createServer, type AddressInfo } from 'node:net';

/** Ports of the control plane on 127.0.0.1. */
export interface Ports {
  readonly apiServer: number;
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly temporal: number;
  readonly temporalUi: number;
}

/** What `npm start` uses unless told otherwise. */
export const DEFAULT_PORTS: Ports = { apiServer: 6450, etcd: 2390, etcdPeer: 2391, temporal: 7233, temporalUi: 8233 };

/** A port that is taken: one line that says which, and how to choose another. */
export class PortInUse extends Error {}

/** Ports that were free a moment ago; all are held open until all are known, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => open(0)));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Throws PortInUse for the first port that cannot be opened. `flags` names the flag that changes each. */
export async function requireFree(
  ports: Readonly<Record<string, number>>,
  flags: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    try {
      const server = await open(port);
      await new Promise((resolve) => server.close(resolve));
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'is in use' : (error as Error).message;
      throw new PortInUse(
        `beskar7: 127.0.0.1:${port} (${name}) ${why}; choose another port with ${flags[name] ?? `--${name}-port`}`,
      );
    }
  }
}

function open(port: number): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
