import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HttpResponseError, ResponseReader } from '../../../redfish/httpResponse.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll } from './fakeBmc.ts';

afterEach(stopAll);

const SYSTEM = '/redfish/v1/Systems/1';
const BODY = JSON.stringify({ PowerState: 'On', Systems: { '@odata.id': '/s' }, Members: [{ '@odata.id': SYSTEM }] });
const N = BODY.length;
const chunked = (text: string, eol = '\r\n') => `${text.length.toString(16)}${eol}${text}${eol}0${eol}${eol}`;

/** A client of a server that answers every request with these bytes, and then does `then`. */
async function clientAt(bytes: string, then: 'keep' | 'end' | 'reset' = 'keep', callTimeoutMs = 2_000) {
  const requests: string[] = [];
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      requests.push(data.toString().split('\r\n')[0] ?? '');
      socket.write(bytes, () => {
        if (then === 'end') socket.end();
        if (then === 'reset') socket.resetAndDestroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bmc = await fakeBmc();
  const address = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const client = clientOf(bmc, { address, callTimeoutMs });
  return { client, requests, close: () => server.close() };
}

const READ: [string, string, ('keep' | 'end' | 'reset')?][] = [
  ['two equal Content-Length', `HTTP/1.1 200 OK\r\nContent-Length: ${N}\r\nContent-Length: ${N}\r\n\r\n${BODY}`],
  ['a length with a sign', `HTTP/1.1 200 OK\r\nContent-Length: +${N}\r\n\r\n${BODY}`],
  ['a list of them', `HTTP/1.1 200 OK\r\nContent-Length: ${N}, ${N}\r\n\r\n${BODY}`],
  [
    'Content-Length with chunked',
    `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(BODY)}`,
  ],
  ['lines that end in LF', `HTTP/1.1 200 OK\nContent-Length: ${N}\nX: y\n\n${BODY}`],
  ['chunks whose lines end in LF', `HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n${chunked(BODY, '\n')}`],
  [
    'a chunk size with spaces, zeros and an extension',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n000${N.toString(16)}  ; a=b\r\n${BODY}\r\n0\r\nTrailer: x\r\n\r\n`,
  ],
  ['no reason phrase', `HTTP/1.1 200\r\nContent-Length: ${N}\r\n\r\n${BODY}`],
  ['HTTP/1.0, until the connection ends', `HTTP/1.0 200 OK\r\n\r\n${BODY}`, 'end'],
  ['no length, until the connection ends', `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n${BODY}`, 'end'],
  [
    'identity as transfer encoding',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: ${N}\r\n\r\n${BODY}`,
  ],
  [
    '100, 102 and 103 before it',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: ${N}\r\n\r\n${BODY}`,
  ],
  ['blank lines before it', `\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: ${N}\r\n\r\n${BODY}`],
  [
    'a line that is no header, a folded one, a space before the colon',
    `HTTP/1.1 200 OK\r\nno header at all\r\nX: a\r\n b\r\nContent-Length : ${N}\r\n\r\n${BODY}`,
  ],
  [
    'headers of 60 KB, in Latin-1',
    `HTTP/1.1 200 OK\r\nX: ${'\u00fc'.repeat(30_000)}\r\nContent-Length: ${N}\r\n\r\n${BODY}`,
  ],
  [
    'the last chunk missing, and all of the JSON there',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${N.toString(16)}\r\n${BODY}\r\n`,
    'end',
  ],
  ['more than was announced', `HTTP/1.1 200 OK\r\nContent-Length: ${N}\r\n\r\n${BODY}\r\n\r\n`],
];

describe('answers that the clients of Python and Go read', () => {
  test.each(READ.map(([name, bytes, then]) => [name, bytes, then ?? 'keep'] as const))(
    '%s',
    async (_name, bytes, then) => {
      const { client, close } = await clientAt(bytes, then);
      await expect(client.getPowerState()).resolves.toBe('On');
      await expect(client.getPowerState()).resolves.toBe('On');
      close();
    },
  );
});

describe('answers that cannot be read', () => {
  test.each<[string, string]>([
    ['two different Content-Length', `HTTP/1.1 200 OK\r\nContent-Length: ${N}\r\nContent-Length: 5\r\n\r\n${BODY}`],
    ['HTTP/2 in clear text', 'HTTP/2 200\r\n\r\n'],
    ['an upgrade that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n'],
    ['headers without an end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`],
    ['1xx for ever', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(40)],
    ['too much announced', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{'],
    ['another protocol', '\u0000\u0001\u0002'],
  ])('%s: an error at once, and the next call goes on', async (_name, bytes) => {
    const { client, close } = await clientAt(bytes, 'keep', 60_000);
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Protocol', mayHaveLanded: false });
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Protocol' });
    close();
  });
});

describe('a status whose body breaks off', () => {
  test.each<[string, string, 'keep' | 'end' | 'reset']>([
    ['chunked, cut', 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{"error"', 'end'],
    ['chunked, reset', 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{"error"', 'reset'],
    ['a length that is too long', 'HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{', 'end'],
    ['a length that is none', 'HTTP/1.1 404 Not Found\r\nContent-Length: x\r\n\r\n{', 'end'],
    ['a broken chunk', 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'keep'],
  ])('%s: is the status', async (_name, bytes, then) => {
    const { client, requests, close } = await clientAt(bytes, then);
    expect(await failureOf(client.getPowerState())).toMatchObject({ status: 404 });
    // The root with and without its slash, and nothing again and again.
    expect(requests.length).toBeLessThanOrEqual(2);
    close();
  });

  test('a body that does not come is waited for some seconds only', async () => {
    const { client, close } = await clientAt('HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{', 'keep', 60_000);
    const startedMs = performance.now();
    expect(await failureOf(client.getPowerState())).toMatchObject({ status: 404 });
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    close();
  }, 30_000);

  test('what was read has to be whole', async () => {
    const { client, close } = await clientAt(
      `HTTP/1.1 200 OK\r\nContent-Length: ${N + 5}\r\n\r\n${BODY.slice(0, -3)}`,
      'end',
    );
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Unreachable', lostConnection: true });
    close();
  });

  test('a change whose acceptance breaks off was accepted', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('PATCH', SYSTEM, (seen) => {
        it.builtIn(seen);
        seen.socket?.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{');
        return { instead: 'hang' };
      }),
    );
    await expect(clientOf(bmc).setBootSourcePXE(allow)).resolves.toBe(true);
    expect(bmc.sent('PATCH')).toHaveLength(1);
  });
});

describe('the reader of answers', () => {
  const limits = { headBytes: 1_000, bodyBytes: 1_000 };

  test('however the bytes are cut', () => {
    const bytes = Buffer.from(
      `HTTP/1.1 100 C\r\n\r\nHTTP/1.1 202 Accepted\r\nLocation: /t\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(BODY)}`,
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }), (cuts) => {
        const reader = new ResponseReader(limits);
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          reader.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        expect([reader.isDone, reader.keepsAlive, reader.status]).toEqual([true, true, 202]);
        expect([reader.headers['location'], reader.body.toString()]).toEqual(['/t', BODY]);
      }),
    );
  });

  test('whatever comes: an answer, a wait for more, or HttpResponseError; and never more than the bounds', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'HTTP/1.1 200 OK\r\n',
        'HTTP/1.1 204 No\n',
        'Content-Length: 4\r\n',
        'Transfer-Encoding: chunked\r\n',
        '\r\n',
        '\n',
        '4\r\nabcd\r\n',
        '0\r\n\r\n',
        '__proto__: x\r\n',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const reader = new ResponseReader(limits);
        try {
          for (const text of pieces) reader.push(Buffer.from(text));
          reader.end();
        } catch (error) {
          expect(error).toBeInstanceOf(HttpResponseError);
        }
        expect(reader.body.length).toBeLessThanOrEqual(limits.bodyBytes);
      }),
    );
  });

  test('a connection is used again only when it is clear where the answer ends', () => {
    const keeps = (text: string): boolean => {
      const reader = new ResponseReader(limits);
      reader.push(Buffer.from(text, 'latin1'));
      return reader.isDone && reader.keepsAlive;
    };
    expect(keeps('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na')).toBe(true);
    expect(keeps('HTTP/1.1 204 No Content\r\n\r\n')).toBe(true);
    expect(keeps('HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na')).toBe(true);
    for (const doubtful of [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na',
      'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na',
      'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ])
      expect(keeps(doubtful)).toBe(false);
  });
});
