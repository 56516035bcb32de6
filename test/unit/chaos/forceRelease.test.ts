import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { KubeClient } from '../../../kube/client.ts';
import { forceRelease } from '../../chaos/forceRelease.ts';
import { claimedHost } from '../controllers/builders.ts';
import { clientFor, json, statusBody, TestServer } from '../kube/httpServer.ts';

const host = claimedHost('Releasing');
const { name } = host.metadata;

let server: TestServer;
let admin: KubeClient;
let forced: Map<string, string>;

beforeEach(async () => {
  server = new TestServer();
  admin = clientFor(await server.start());
  forced = new Map();
});

afterEach(async () => {
  await admin.close();
  await server.stop();
});

/** Whether the host is noted as forced while the API server is asked, and afterwards. */
async function isNoted(): Promise<[boolean, boolean]> {
  let during = false;
  const { handler } = server;
  server.handler = (asked, response) => {
    during = forced.has(name);
    return handler(asked, response);
  };
  const world = {
    admin,
    isForced: (about: string) => forced.has(about),
    noteForced: (about: string, claim: string) => void forced.set(about, claim),
    takeBackForced: (about: string) => void forced.delete(about),
  };
  await forceRelease(world, host).catch(() => undefined);
  return [during, forced.has(name)];
}

test('a host that was forced is noted before the answer comes', async () => {
  server.handler = (_asked, response) => json(response, 200, host);
  expect(await isNoted()).toEqual([true, true]);
});

test.each([
  [404, 'NotFound'],
  [409, 'Conflict'],
  [422, 'Invalid'],
])('not one whose patch was refused with %d', async (code, reason) => {
  server.handler = (_asked, response) => json(response, code, statusBody(code, reason, 'no'));
  expect(await isNoted()).toEqual([true, false]);
});

test('one whose patch may have been written, for all that is known', async () => {
  server.handler = (_asked, response) => json(response, 500, statusBody(500, 'InternalError', 'no'));
  expect(await isNoted()).toEqual([true, true]);
  forced.clear();
  server.handler = (_asked, response) => void response.destroy();
  expect(await isNoted()).toEqual([true, true]);
});

test('one that was forced before stays so when it is asked again in vain', async () => {
  forced.set(name, 'the claim');
  server.handler = (_asked, response) => json(response, 409, statusBody(409, 'Conflict', 'no'));
  expect(await isNoted()).toEqual([true, true]);
});
