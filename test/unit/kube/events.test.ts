import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { KubeClient } from '../../../kube/client.ts';
import { EventRecorder } from '../../../kube/events.ts';
import { clientFor, json, statusBody, TestServer } from './httpServer.ts';

const object = { apiVersion: 'g/v1', kind: 'PhysicalHost', metadata: { namespace: 'ns', name: 'h', uid: 'u' } };

let server: TestServer;
let client: KubeClient;
let recorder: EventRecorder;
let warnings: object[];
beforeEach(async () => {
  server = new TestServer();
  client = clientFor(await server.start());
  warnings = [];
  const logger = { warn: (fields: object) => void warnings.push(fields), debug: () => undefined };
  recorder = new EventRecorder(client, { logger: logger as never, retryDelayMs: 1 });
});
afterEach(async () => {
  await client.close();
  await server.stop();
});

test('a repeated event counts up the first one', async () => {
  server.handler = (_, response) => json(response, 201, {});
  recorder.event(object, 'Normal', 'HostClaimed', 'Claimed by m');
  await recorder.flush();
  recorder.event(object, 'Normal', 'HostClaimed', 'Claimed by m');
  recorder.event(object, 'Normal', 'HostClaimed', 'Claimed by another');
  await recorder.flush();
  const bodies = server.received.map(({ method, body }) => ({ method, ...(JSON.parse(body) as object) }));
  expect(bodies).toMatchObject([
    { method: 'POST', reason: 'HostClaimed', count: 1, involvedObject: { kind: 'PhysicalHost', name: 'h', uid: 'u' } },
    { method: 'PATCH', count: 2 },
    { method: 'POST', message: 'Claimed by another' },
  ]);
});

test('an event that has expired in the meantime is made anew', async () => {
  server.handler = ({ method }, response) =>
    method === 'PATCH' ? json(response, 404, statusBody(404, 'NotFound', 'gone')) : json(response, 201, {});
  recorder.event(object, 'Normal', 'A', 'b');
  await recorder.flush();
  recorder.event(object, 'Normal', 'A', 'b');
  await recorder.flush();
  expect(server.received.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
});

test('a write that fails is tried again, then logged; the caller never hears of it', async () => {
  server.handler = (_, response) =>
    server.received.length < 2 ? json(response, 500, statusBody(500, 'x', 'y')) : json(response, 201, {});
  recorder.event(object, 'Warning', 'A', 'b');
  await recorder.flush();
  expect([server.received.length, warnings.length]).toEqual([2, 0]);
  server.handler = (_, response) => json(response, 403, statusBody(403, 'Forbidden', 'no verb create'));
  recorder.event(object, 'Warning', 'A', 'c');
  await recorder.flush();
  expect(warnings).toHaveLength(1);
  recorder.event(undefined as never, 'Warning', 'A', 'd');
});

test('a namespace that is being terminated is not worth a word', async () => {
  server.handler = (_, response) =>
    json(
      response,
      403,
      statusBody(403, 'Forbidden', 'unable to create new content in namespace ns because it is being terminated'),
    );
  recorder.event(object, 'Normal', 'A', 'b');
  await recorder.flush();
  expect(warnings).toHaveLength(0);
});

test('the queue has a bound', async () => {
  server.handler = () => undefined;
  for (let n = 0; n < 3000; n += 1) recorder.event(object, 'Normal', 'A', `message ${n}`);
  expect(warnings).toHaveLength(1);
  await client.close();
  await recorder.flush(1);
});
