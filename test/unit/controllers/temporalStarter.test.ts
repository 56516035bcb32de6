import { beforeEach, expect, test } from '@jest/globals';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Starter } from '../../../controllers/starter.ts';
import { createStarter } from '../../../controllers/temporalStarter.ts';
import { logger } from './fakes.ts';

interface Started {
  type: string;
  options: {
    workflowId: string;
    memo: object;
    args: unknown[];
    typedSearchAttributes?: { key: { name: string }; value: string }[];
  };
}

let started: Started[];
let signals: unknown[];
let describes: number;
let deadlines: number;
let open: Map<string, string | undefined>;
/** Who has started the open runs; undefined: it is not known. */
let startedBy: string | undefined;

const client = {
  withDeadline: (_deadline: number, call: () => Promise<unknown>) => {
    deadlines += 1;
    return call();
  },
  workflow: {
    start: (type: string, options: Started['options']) => {
      if (open.has(options.workflowId)) {
        return Promise.reject(new WorkflowExecutionAlreadyStartedError('open', options.workflowId, type));
      }
      started.push({ type, options });
      return Promise.resolve({});
    },
    signalWithStart: (
      type: string,
      options: Started['options'] & { signal: { name: string }; signalArgs: unknown[] },
    ) => {
      const { signal, signalArgs, ...rest } = options;
      if (!open.has(options.workflowId)) started.push({ type, options: rest });
      signals.push([options.workflowId, signal.name, ...signalArgs]);
      return Promise.resolve({});
    },
    getHandle: (id: string) => ({
      describe: () => {
        describes += 1;
        if (!open.has(id)) return Promise.reject(new WorkflowNotFoundError('gone', id, undefined));
        const uid = open.get(id);
        return Promise.resolve({
          status: { name: 'RUNNING' },
          ...(uid === undefined ? {} : { memo: { uid, installation: startedBy } }),
        });
      },
      signal: (signal: { name: string }, ...args: unknown[]) => {
        if (!open.has(id)) return Promise.reject(new WorkflowNotFoundError('gone', id, undefined));
        signals.push([id, signal.name, ...args]);
        return Promise.resolve();
      },
    }),
  },
} as unknown as Client;

let starter: Starter;
beforeEach(() => {
  started = [];
  signals = [];
  describes = 0;
  deadlines = 0;
  open = new Map();
  startedBy = undefined;
  starter = createStarter(client, { installation: 'cluster-1::', searchAttributes: () => true, logger });
});

const machine = { namespace: 'ns', name: 'm', uid: 'u' };
const host = { namespace: 'ns', name: 'h', uid: 'hu', pool: 'site-a' };

test('a start carries uid, policies, summary and search attributes, under a deadline', async () => {
  await expect(starter.startProvision(machine)).resolves.toBe('started');
  await starter.startEnroll(host);
  expect(started).toMatchObject([
    {
      type: 'provisionMachine',
      options: {
        workflowId: 'provision/ns/m',
        taskQueue: 'beskar7',
        args: [{ ...machine, installation: 'cluster-1::' }],
        memo: { uid: 'u', installation: 'cluster-1::' },
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
        staticSummary: 'Provision machine ns/m',
      },
    },
    { type: 'enrollHost', options: { workflowId: 'enroll/ns/h', args: [{ ...host, installation: 'cluster-1::' }] } },
  ]);
  const attributes = started.map(({ options }) =>
    options.typedSearchAttributes?.map(({ key, value }) => `${key.name}=${value}`),
  );
  expect(attributes).toEqual([
    ['Beskar7Namespace=ns', 'Beskar7Machine=m'],
    ['Beskar7Namespace=ns', 'Beskar7Host=h'],
  ]);
  expect(deadlines).toBe(2);
});

test('search attributes can be left out', async () => {
  await createStarter(client, { installation: 'cluster-1::', searchAttributes: () => false, logger }).startRetire(host);
  expect(started[0]?.options).not.toHaveProperty('typedSearchAttributes');
});

test('an open run: ours, another object’s, or started by hand; it is looked at once', async () => {
  open.set('provision/ns/m', 'other');
  await expect(starter.startProvision(machine)).resolves.toBe('otherObject');
  open.set('provision/ns/m', 'u');
  await expect(starter.startProvision(machine)).resolves.toBe('running');
  await expect(starter.startProvision(machine)).resolves.toBe('running');
  expect(describes).toBe(2);
  startedBy = 'cluster-2::';
  open.set('provision/ns/n', 'u');
  await expect(starter.startProvision({ ...machine, name: 'n' })).resolves.toBe('otherObject');
  open.set('deprovision/ns/m', undefined);
  await expect(starter.startDeprovision(machine)).resolves.toBe('running');
});

test('signals say whether somebody heard them', async () => {
  await expect(starter.signalClaim(machine, 'osReported', 'c')).resolves.toBe(false);
  open.set('provision/ns/m', 'u').set('release/ns/h', 'hu');
  await expect(starter.signalClaim(machine, 'osReported', 'c')).resolves.toBe(true);
  await expect(starter.signalHostAvailable(machine)).resolves.toBe(true);
  await expect(starter.signalHostChanged('release', host, 'hash')).resolves.toBe(true);
  expect(signals).toEqual([
    ['provision/ns/m', 'osReported', { claim: 'c' }],
    ['provision/ns/m', 'hostAvailable'],
    ['release/ns/h', 'hostChanged', { connectionHash: 'hash' }],
  ]);
});

test('a release is started or woken in one call, with who started it', async () => {
  const release = { ...host, claim: 'c', machine };
  await starter.startOrWakeRelease(release);
  expect(started).toMatchObject([
    {
      type: 'releaseHost',
      options: {
        workflowId: 'release/ns/h',
        args: [{ ...release, installation: expect.any(String) }],
        memo: { uid: 'hu', installation: expect.any(String) },
        workflowIdConflictPolicy: 'USE_EXISTING',
      },
    },
  ]);
  open.set('release/ns/h', 'hu');
  await starter.startOrWakeRelease(release);
  expect(started).toHaveLength(1);
  expect(signals).toEqual(Array(2).fill(['release/ns/h', 'hostChanged', {}]));
});
