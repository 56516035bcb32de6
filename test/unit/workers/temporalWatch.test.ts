import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { prepareTemporal } from '../../../workers/temporal.ts';
import { TemporalWatch } from '../../../workers/temporalWatch.ts';

/** What Temporal's own calls answer with, as far as they are used. */
class Server {
  /** Namespaces and their attributes, by name. */
  readonly namespaces = new Map<string, { id: string; attributes: Set<string> }>();
  isAway = false;
  mayRegister = true;
  /** Of addSearchAttributes, of registerNamespace. */
  readonly calls: string[] = [];
  #made = 0;

  make(name: string): void {
    this.#made += 1;
    this.namespaces.set(name, { id: `id-${this.#made}`, attributes: new Set() });
  }

  #of(name: string) {
    if (this.isAway) throw failure(14, 'connect ECONNREFUSED');
    const found = this.namespaces.get(name);
    if (!found) throw failure(5, 'no such namespace');
    return found;
  }

  readonly client = {
    withDeadline: (_deadline: number, call: () => Promise<unknown>) => call(),
    connection: {
      workflowService: {
        describeNamespace: async ({ namespace }: { namespace: string }) => ({
          namespaceInfo: { id: this.#of(namespace).id },
        }),
        registerNamespace: async ({ namespace }: { namespace: string }) => {
          this.calls.push(`make ${namespace}`);
          this.make(namespace);
        },
        listWorkflowExecutions: async ({ namespace }: { namespace: string }) => void this.#of(namespace),
      },
      operatorService: {
        listSearchAttributes: async ({ namespace }: { namespace: string }) => ({
          customAttributes: Object.fromEntries([...this.#of(namespace).attributes].map((name) => [name, 2])),
        }),
        addSearchAttributes: async (asked: { namespace: string; searchAttributes: object }) => {
          if (!this.mayRegister) throw failure(7, 'not allowed');
          const names = Object.keys(asked.searchAttributes);
          this.calls.push(`register ${names.length}`);
          for (const name of names) this.#of(asked.namespace).attributes.add(name);
        },
      },
    },
  } as unknown as Client;
}

const failure = (code: number, message: string) => Object.assign(new Error(message), { code });

let server: Server;
let warnings: string[];
let logger: Logger;
beforeEach(() => {
  server = new Server();
  warnings = [];
  const silent = () => undefined;
  const warn = (_about: object, message: string) => void warnings.push(message);
  logger = { info: silent, warn } as unknown as Logger;
});

async function watched(): Promise<TemporalWatch> {
  const prepared = await prepareTemporal(server.client, 'beskar7', logger);
  server.calls.length = 0;
  return new TemporalWatch(server.client, prepared, { namespace: 'beskar7', logger });
}

describe('under a running process', () => {
  test('nothing changes: nothing is made', async () => {
    const watch = await watched();
    await watch.look();
    expect(server.calls).toEqual([]);
    expect(watch.problem()).toBeUndefined();
    expect(watch.hasSearchAttributes).toBe(true);
  });

  test('the database is lost: namespace and search attributes are made again', async () => {
    const watch = await watched();
    server.isAway = true;
    await watch.look();
    expect(watch.problem()).toMatch(/cannot be reached: connect ECONNREFUSED/);
    server.isAway = false;
    server.namespaces.clear();
    await watch.look();
    expect(server.calls).toEqual(['make beskar7', 'register 4']);
    expect(watch.problem()).toBeUndefined();
  });

  test('it is lost in no time, and the server makes the namespace by itself: the attributes are registered', async () => {
    const watch = await watched();
    server.make('beskar7');
    await watch.look();
    expect(server.calls).toEqual(['register 4']);
  });

  test('attributes are gone under the same namespace: seen when the connection has come back', async () => {
    const watch = await watched();
    server.namespaces.get('beskar7')?.attributes.clear();
    await watch.look();
    expect(server.calls).toEqual([]);
    server.isAway = true;
    await watch.look();
    server.isAway = false;
    await watch.look();
    expect(server.calls).toEqual(['register 4']);
  });

  test('an outage is told once, however long it lasts', async () => {
    const watch = await watched();
    server.isAway = true;
    for (let look = 0; look < 3; look += 1) await watch.look();
    expect(warnings).toEqual(['Temporal does not answer']);
  });

  test('where registering is not allowed: runs go without, one warning for each Temporal', async () => {
    server.mayRegister = false;
    const watch = await watched();
    expect(watch.hasSearchAttributes).toBe(false);
    server.isAway = true;
    await watch.look();
    server.isAway = false;
    await watch.look();
    expect(warnings.filter((warning) => warning.startsWith('search attributes'))).toHaveLength(1);
    server.mayRegister = true;
    server.make('beskar7');
    await watch.look();
    expect(watch.hasSearchAttributes).toBe(true);
  });
});

test('of two processes that register at the same time, both have them', async () => {
  server.make('beskar7');
  const { operatorService } = server.client.connection;
  const add = operatorService.addSearchAttributes.bind(operatorService);
  operatorService.addSearchAttributes = (async (asked: never) => {
    await add(asked);
    throw failure(6, 'already exists');
  }) as never;
  const prepared = await prepareTemporal(server.client, 'beskar7', logger);
  expect(prepared.hasSearchAttributes).toBe(true);
  expect(warnings).toEqual([]);
});

test('a Temporal that goes away while it is prepared is no Temporal without attributes', async () => {
  server.make('beskar7');
  const { operatorService } = server.client.connection;
  operatorService.listSearchAttributes = (() => Promise.reject(failure(14, 'away'))) as never;
  await expect(prepareTemporal(server.client, 'beskar7', logger)).rejects.toThrow('away');
});
