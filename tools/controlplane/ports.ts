import { createServer } from 'node:net';

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

/** Below what Linux (from 32768), macOS and Windows (from 49152) give to outgoing connections and to `listen(0)`. */
const FIRST = 20_000;
const LAST = 32_000;
const BLOCK = 50;

let next: number | undefined;

/**
 * Ports on 127.0.0.1 that are free, and stay so until they are opened: a process is started long after its ports were
 * chosen, and may open them again after a kill, while hundreds of connections come and go. They are of blocks that are
 * this process's own for as long as it lives, by their first port, which is kept open: other processes take other
 * blocks. Rejects when none is left.
 */
export async function freePorts(count: number): Promise<number[]> {
  next ??= await ownBlock();
  const ports: number[] = [];
  while (ports.length < count) {
    if (next % BLOCK === 0) next = await ownBlock();
    const port = next;
    next += 1;
    const probe = await open(port).catch(() => undefined);
    if (!probe) continue;
    await new Promise((resolve) => probe.close(resolve));
    ports.push(port);
  }
  return ports;
}

/** The port after the one that is kept open. By chance, so that most processes find a block at once. */
async function ownBlock(): Promise<number> {
  const blocks = (LAST - FIRST) / BLOCK;
  const start = Math.floor(Math.random() * blocks);
  for (let n = 0; n < blocks; n += 1) {
    const first = FIRST + ((start + n) % blocks) * BLOCK;
    const lock = await open(first).catch(() => undefined);
    if (!lock) continue;
    lock.unref();
    return first + 1;
  }
  throw new Error(`beskar7: no block of ports is free from ${FIRST} to ${LAST} on 127.0.0.1`);
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
