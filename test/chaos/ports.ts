import { createServer, type Server } from 'node:net';

/** Below what Linux (from 32768), macOS and Windows (from 49152) give to outgoing connections and to `listen(0)`. */
const FIRST = 20_000;
const LAST = 32_000;
const BLOCK = 100;

let next: number | undefined;

/**
 * Ports on 127.0.0.1 that are free, and stay so until they are opened: a process is started long after its ports were chosen, and
 * opens them again after each kill, while hundreds of connections come and go. They are of blocks that are this process's own for
 * as long as it lives, by their first port, which is kept open: another chaos run takes other blocks. Rejects when none is left.
 */
export async function steadyPorts(count: number): Promise<number[]> {
  next ??= await ownBlock();
  const ports: number[] = [];
  while (ports.length < count) {
    if (next % BLOCK === 0) next = await ownBlock();
    const port = next;
    next += 1;
    const probe = await open(port);
    if (!probe) continue;
    await new Promise((resolve) => probe.close(resolve));
    ports.push(port);
  }
  return ports;
}

/** The port after the one that is kept open. By chance, so that most runs find a block at once. */
async function ownBlock(): Promise<number> {
  const blocks = (LAST - FIRST) / BLOCK;
  const start = Math.floor(Math.random() * blocks);
  for (let n = 0; n < blocks; n += 1) {
    const first = FIRST + ((start + n) % blocks) * BLOCK;
    const lock = await open(first);
    if (!lock) continue;
    lock.unref();
    return first + 1;
  }
  throw new Error(`chaos: no block of ports is free from ${FIRST} to ${LAST} on 127.0.0.1`);
}

function open(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
