import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { prepareTemporal } from '../../../workers/temporal.ts';
import { OWNER_KEY, type InstallationError } from '../../../workers/installation.ts';
import { TemporalWatch } from '../../../workers/temporalWatch.ts';

/** What Temporal's own calls answer with, as far as they are used. */
class Server {
  /** Namespaces and their attributes, by name. */
  readonly namespaces = new Map<string, { id: string; attributes: Set<string>; data: Record<string, string> }>();
  isAway = false;
  mayRegister = true;
  mayUpdate = true;
  /** Of addSearchAttributes, of registerNamespace. */
  readonly calls: string[] = [];
  #made = 0;

  make(name: string, data: Record<string, string> = {}): void {
    this.#made += 1;
    this.namespaces.set(name, { id: `id-${this.#made}`, attributes: new Set(), data });
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
          namespaceInfo: { id: this.#of(namespace).id, data: { ...this.#of(namespace).data } },
        }),
        registerNamespace: async ({ namespace, data }: { namespace: string; data?: Record<string, string> }) => {
          this.calls.push(`make ${namespace}`);
          this.make(namespace, data);
        },
        updateNamespace: async (asked: { namespace: string; updateInfo: { data: Record<string, string> } }) => {
          if (!this.mayUpdate) throw failure(7, 'not allowed');
          Object.assign(this.#of(asked.namespace).data, asked.updateInfo.data);
          this.calls.push(`own ${asked.namespace}`);
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
let taken: InstallationError[];
const OURS = { id: 'cluster-1::' };
const THEIRS = { id: 'cluster-2:team-a:' };
beforeEach(() => {
  server = new Server();
  warnings = [];
  taken = [];
  const silent = () => undefined;
  const warn = (_about: object, message: string) => void warnings.push(message);
  logger = { info: silent, warn } as unknown as Logger;
});

async function watched(): Promise<TemporalWatch> {
  const prepared = await prepareTemporal(server.client, 'beskar7', OURS, logger);
  server.calls.length = 0;
  return new TemporalWatch(server.client, prepared, {
    namespace: 'beskar7',
    installation: OURS,
    logger,
    onTaken: (error) => void taken.push(error),
  });
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
    expect(server.calls).toEqual(['own beskar7', 'register 4']);
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
  const prepared = await prepareTemporal(server.client, 'beskar7', OURS, logger);
  expect(prepared.hasSearchAttributes).toBe(true);
  expect(warnings).toEqual([]);
});

test('a Temporal that goes away while it is prepared is no Temporal without attributes', async () => {
  server.make('beskar7');
  const { operatorService } = server.client.connection;
  operatorService.listSearchAttributes = (() => Promise.reject(failure(14, 'away'))) as never;
  await expect(prepareTemporal(server.client, 'beskar7', OURS, logger)).rejects.toThrow('away');
});

describe('whose the Temporal namespace is', () => {
  const prepare = (installation = OURS) => prepareTemporal(server.client, 'beskar7', installation, logger);
  const owner = () => server.namespaces.get('beskar7')?.data[OWNER_KEY];

  test('a new one is made as this installation’s; one that is nobody’s becomes it; all of its processes agree', async () => {
    expect((await prepare()).isOwner).toBe(true);
    expect(owner()).toBe(OURS.id);
    expect((await prepare()).isOwner).toBe(true);
    server.make('beskar7', { team: 'metal' });
    expect((await prepare()).isOwner).toBe(true);
    expect(server.namespaces.get('beskar7')?.data).toEqual({ team: 'metal', [OWNER_KEY]: OURS.id });
  });

  test.each([
    ['another cluster', { id: 'cluster-2::' }],
    ['another scope of this cluster', { id: 'cluster-1:team-a:' }],
    ['another watch filter', { id: 'cluster-1::blue' }],
  ])('%s: refused in one line that says both and what to do, and nothing is written', async (_what, other) => {
    await prepare();
    const error = await prepare(other).then(() => undefined, String);
    expect(error?.split('\n')).toHaveLength(1);
    expect(error).toContain('belongs to another installation (cluster cluster-1, all namespaces;');
    expect(error).toContain('--temporal-namespace');
    expect(error).toContain(`temporal operator namespace update -n beskar7 --data ${OWNER_KEY}=${other.id}`);
    expect(owner()).toBe(OURS.id);
  });

  test('two begin at once: the last write stays, the other is refused', async () => {
    server.make('beskar7');
    const { workflowService } = server.client.connection;
    const update = workflowService.updateNamespace.bind(workflowService);
    workflowService.updateNamespace = (async (asked: never) => {
      await update(asked);
      Object.assign(server.namespaces.get('beskar7')?.data ?? {}, { [OWNER_KEY]: THEIRS.id });
    }) as never;
    await expect(prepare()).rejects.toThrow('belongs to another installation');
  });

  test('it is handed to another under a running process: that is a problem, and the process is to end', async () => {
    const watch = await watched();
    expect(watch.isOwner).toBe(true);
    Object.assign(server.namespaces.get('beskar7')?.data ?? {}, { [OWNER_KEY]: THEIRS.id });
    await watch.look();
    expect(watch.problem()).toContain('belongs to another installation (cluster cluster-2, namespace team-a;');
    expect(taken).toHaveLength(1);
  });

  test('where its data may not be written: one warning, and no owner', async () => {
    server.make('beskar7');
    server.mayUpdate = false;
    const watch = await watched();
    server.isAway = true;
    await watch.look();
    server.isAway = false;
    await watch.look();
    expect(watch.isOwner).toBe(false);
    expect(warnings.filter((text) => text.includes('cannot be written into the data'))).toHaveLength(1);
    // An administrator writes it: seen at the next check.
    Object.assign(server.namespaces.get('beskar7')?.data ?? {}, { [OWNER_KEY]: OURS.id });
    server.isAway = true;
    await watch.look();
    server.isAway = false;
    await watch.look();
    expect(watch.isOwner).toBe(true);
  });

  test('Temporal is away while it is asked: no answer, tried again', async () => {
    server.make('beskar7');
    const { workflowService } = server.client.connection;
    workflowService.updateNamespace = (() => Promise.reject(failure(14, 'away'))) as never;
    await expect(prepare()).rejects.toThrow('away');
  });
});
