import { createServer } from 'node:net';

/** Below what Linux (from 32768), macOS and Windows (from 49152) give to outgoing connections and to `listen(0)`. */
const FIRST = 20_000;
const LAST = 32_000;

const given = new Set<number>();

/**
 * Ports on 127.0.0.1 that are free, and stay so until they are opened: a process is started long after its ports were chosen, and
 * opens them again after each kill, while hundreds of connections come and go. None is given twice. Rejects when too few are free.
 */
export async function steadyPorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  // By chance, not by seed: two chaos runs at once must not choose the same ones.
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries > 1_000) throw new Error(`chaos: found no ${count} free ports from ${FIRST} to ${LAST} on 127.0.0.1`);
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
