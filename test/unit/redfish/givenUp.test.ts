import { connect, createServer, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { openConnection } from '../../../redfish/connection.ts';
import { checkConnection } from '../../../redfish/connectionOptions.ts';
import { Exchange } from '../../../redfish/exchange.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll, until } from './fakeBmc.ts';
import { farBmc, noNamespaces } from './networkFault.ts';

jest.setTimeout(60_000);
afterEach(stopAll);

const fixture = (name: string): string => readFileSync(join(__dirname, 'fixtures', name), 'utf8');
const tls = { key: fixture('bmc.key'), cert: fixture('bmc.crt') };
const SYSTEM = '/redfish/v1/Systems/1';

/** How a connection ended at the BMC: `ECONNRESET`, or the end of an orderly close. */
function endOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('FIN'));
  });
}

describe('a request that is given up', () => {
  test.each(['http', 'https'] as const)(
    'over %s: the BMC sees a reset, at the deadline and at a cancel',
    async (scheme) => {
      const bmc = await fakeBmc(
        (it) => it.on('PATCH', SYSTEM, { instead: 'hang' }),
        scheme === 'https' ? tls : undefined,
      );
      for (const how of ['deadline', 'cancel'] as const) {
        const abort = new AbortController();
        const client = clientOf(bmc, { insecureSkipVerify: true, callTimeoutMs: how === 'deadline' ? 1_000 : 60_000 });
        const patches = bmc.sent('PATCH').length;
        const failure = failureOf(client.setBootSourcePXE({ ...allow, signal: abort.signal }));
        await until(() => bmc.sent('PATCH').length > patches);
        const socket = bmc.sent('PATCH').at(-1)?.socket;
        if (socket === undefined) throw new Error('the PATCH came over a connection');
        const end = endOf(socket);
        if (how === 'cancel') abort.abort(new Error('operator'));
        expect(await failure).toMatchObject({ kind: how === 'cancel' ? 'Aborted' : 'Timeout', mayHaveLanded: true });
        expect(await end).toBe('ECONNRESET');
      }
    },
  );

  test('in the middle of a handshake, or of an answer: nothing of it is left', async () => {
    let open = 0;
    const count = (socket: Socket): void => {
      open += 1;
      socket.on('error', () => undefined);
      socket.on('close', () => (open -= 1));
    };
    const silent = createServer(count);
    const halting = createTlsServer(tls, (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{'));
    });
    halting.on('connection', count);
    for (const server of [silent, halting]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = `https://127.0.0.1:${(server.address() as { port: number }).port}`;
      const bmc = await fakeBmc();
      const options = { address, insecureSkipVerify: true, callTimeoutMs: 700, connectTimeoutMs: 300 };
      const failure = await failureOf(clientOf(bmc, options).getPowerState());
      expect(failure).toMatchObject({ retryable: true, mayHaveLanded: false });
      if (server === silent) {
        expect(failure).toMatchObject({ kind: 'Unreachable' });
        expect(String(failure)).toMatch(
          /no TLS handshake within 300 ms.*raise redfishConnection.timeouts.connectSeconds/,
        );
      }
      await until(() => open === 0);
      server.close();
    }
  });
});

const unable = noNamespaces();
const describeWithNamespaces = unable === undefined ? describe : describe.skip;
if (unable !== undefined)
  process.stderr.write(`no network namespaces here, real network faults are skipped: ${unable}\n`);

describeWithNamespaces('over a network of its own', () => {
  test('a line that is cut and mended: what was given up never arrives, what was only closed does', async () => {
    const bmc = await farBmc();
    try {
      const config = checkConnection({ address: `http://${bmc.host}`, username: 'u', password: 'p' });
      const ours = await openConnection(config, { timeoutMs: 5_000, what: 'connect' }, () => undefined);
      const closed = connect({ host: config.hostname, port: config.port });
      await new Promise<void>((resolve, reject) => closed.once('connect', resolve).once('error', reject));
      bmc.cut();
      const request = { method: 'POST', path: '/given-up', headers: { host: bmc.host }, body: '{}' } as const;
      const exchange = new Exchange(ours, request, { timeoutMs: 300 }, 'POST /given-up');
      closed.write('POST /closed HTTP/1.1\r\n\r\n');
      expect(await failureOf(exchange.result)).toMatchObject({ kind: 'Timeout', mayHaveLanded: true });
      closed.destroy();
      bmc.mend();
      // Both were sent at the same moment, so the kernel would send both again at the same moments.
      const endMs = performance.now() + 30_000;
      while (bmc.arrived.length === 0 && performance.now() < endMs)
        await new Promise((resolve) => setImmediate(resolve));
      const probe = connect({ host: config.hostname, port: config.port });
      await new Promise<void>((resolve) => probe.write('GET /after HTTP/1.1\r\n\r\n', () => resolve()));
      await until(() => bmc.arrived.some((line) => line.includes('/after')));
      probe.destroy();
      expect(bmc.arrived).toEqual(['POST /closed HTTP/1.1', 'GET /after HTTP/1.1']);
    } finally {
      bmc.stop();
    }
  });
});
