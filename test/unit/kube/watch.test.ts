import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KubeClient } from '../../../kube/client.ts';
import { isExpired } from '../../../kube/error.ts';
import { HOSTS } from '../../../kube/resource.ts';
import { linesOf } from '../../../kube/watchStream.ts';
import { clientFor, json, statusBody, TestServer } from './httpServer.ts';

let server: TestServer;
let client: KubeClient;
let stop: AbortController;
beforeEach(async () => {
  server = new TestServer();
  client = clientFor(await server.start());
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await client.close();
  await server.stop();
});

const line = (type: string, name: string) =>
  `${JSON.stringify({ type, object: { metadata: { name, resourceVersion: '2' } } })}\n`;

async function collect(): Promise<string[]> {
  const seen: string[] = [];
  const events = client.watch(HOSTS, { resourceVersion: '1', timeoutSeconds: 9, signal: stop.signal });
  for await (const { type, object } of events) seen.push(`${type} ${object.metadata.name}`);
  return seen;
}

describe('watch', () => {
  test('events until the server ends it', async () => {
    server.handler = (_, response) => {
      const text = line('ADDED', 'ä') + line('BOOKMARK', 'b') + line('DELETED', 'c');
      const bytes = Buffer.from(text);
      // Split inside a line and inside a character.
      const at = bytes.indexOf(0xc3) + 1;
      response.write(bytes.subarray(0, at));
      setImmediate(() => response.end(bytes.subarray(at)));
    };
    await expect(collect()).resolves.toEqual(['ADDED ä', 'BOOKMARK b', 'DELETED c']);
    expect(server.received[0]?.query.toString()).toBe(
      'watch=true&allowWatchBookmarks=true&resourceVersion=1&timeoutSeconds=9',
    );
  });

  test('an ERROR event is thrown', async () => {
    server.handler = (_, response) =>
      void response.end(`${JSON.stringify({ type: 'ERROR', object: statusBody(410, 'Gone', 'too old') })}\n`);
    const failure = await collect().catch((error: unknown) => error);
    expect(isExpired(failure)).toBe(true);
    expect(failure).toMatchObject({ reason: 'Expired' });
  });

  test.each([
    ['garbage', '{"type": "AD\n', 'InvalidResponse'],
    ['not an event', '{"kind": "Pod"}\n', 'InvalidResponse'],
    ['an event without a version', '{"type":"ADDED","object":{"metadata":{}}}\n', 'InvalidResponse'],
    ['an end inside a line', '{"type": "ADDED"', 'Unreachable'],
  ])('%s', async (_name, text, reason) => {
    server.handler = (_, response) => void response.end(text);
    await expect(collect()).rejects.toMatchObject({ status: 0, reason });
  });

  test('a dropped connection is an error, not an end', async () => {
    server.handler = (_, response) => {
      response.write(line('ADDED', 'a'));
      setTimeout(() => server.cut(), 5);
    };
    await expect(collect()).rejects.toMatchObject({ reason: 'Unreachable', retryable: true });
  });

  test('a refusal is told as for any call', async () => {
    server.handler = (_, response) => json(response, 403, statusBody(403, 'Forbidden', 'may not watch'));
    await expect(collect()).rejects.toMatchObject({ status: 403, reason: 'Forbidden' });
  });

  test('the signal ends it, before and during', async () => {
    server.handler = (_, response) => {
      response.write(line('ADDED', 'a'));
      setTimeout(() => stop.abort(), 5);
    };
    await expect(collect()).rejects.toMatchObject({ reason: 'Aborted' });
    await expect(collect()).rejects.toMatchObject({ reason: 'Aborted' });
    expect(server.received).toHaveLength(1);
  });
});

describe('lines', () => {
  const whole = async (chunks: Uint8Array[], maxBytes?: number) => {
    const lines: string[] = [];
    const body = (async function* () {
      yield* chunks;
    })();
    for await (const text of linesOf(body, maxBytes)) lines.push(text);
    return lines;
  };

  test('do not depend on how the bytes arrive', async () => {
    const texts = fc.array(fc.string({ minLength: 1 }).filter((text) => !text.includes('\n') && text.trim() !== ''));
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 7 }), async (expected, size) => {
        const bytes = Buffer.from(expected.map((text) => `${text}\n`).join(''));
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
          bytes.subarray(n * size, (n + 1) * size),
        );
        expect(await whole(chunks)).toEqual(expected.map((text) => Buffer.from(text).toString()));
      }),
      { numRuns: 50 },
    );
  });

  test('have a bound', async () => {
    await expect(whole([Buffer.alloc(11, 'x')], 10)).rejects.toThrow('longer than 10 bytes');
  });
});
