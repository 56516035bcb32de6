import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { endProvisioning, stuckText } from '../../../activities/release/endProvisioning.ts';

const ref = { namespace: 'ns', name: 'm', uid: 'u' };

/** A run that ends when the test says so, and a machine that is being deleted. */
function scene(status: string, attempt?: number) {
  let end: (value: unknown) => void = () => undefined;
  const result = new Promise((resolve) => (end = resolve));
  const told: string[] = [];
  const cancels: string[] = [];
  let name = status;
  let version = 1;
  let described = 0;
  let conditions: unknown[] = [];
  const object = () => ({
    metadata: { ...ref, resourceVersion: String(version), deletionTimestamp: '2026-01-01T00:00:00Z' },
    spec: {},
    status: { phase: 'Inspecting', conditions },
  });
  const handle = {
    describe: () => {
      described += 1;
      return Promise.resolve({
        workflowId: 'provision/ns/m',
        runId: 'run-1',
        status: { name },
        memo: { uid: 'u' },
        raw: { pendingWorkflowTask: attempt === undefined ? null : { attempt } },
      });
    },
    cancel: () => Promise.resolve(void cancels.push(name)),
    result: () => result,
  };
  const deps = {
    temporal: { workflow: { getHandle: () => handle }, options: { namespace: 'beskar7' } },
    logger: { warn: () => undefined },
    kube: {
      get: () => Promise.resolve(object()),
      applyStatus: (_resource: unknown, written: { status: { conditions: { type: string; message: string }[] } }) => {
        ({ conditions } = written.status);
        version += 1;
        told.push(written.status.conditions.find(({ type }) => type === 'Ready')?.message ?? '');
        return Promise.resolve(object());
      },
    },
  } as unknown as Dependencies;
  const stop = () => {
    name = 'TERMINATED';
    end(undefined);
  };
  return { deps, told, cancels, looks: () => described, stop };
}

const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('a provisioning that does not end holds its machine’s deletion up', () => {
  test.each([
    ['RUNNING', 7, 'fails at each attempt (7 so far): the workers cannot replay it'],
    ['PAUSED', undefined, 'paused in Temporal: unpause it'],
    ['RUNNING', undefined, 'no worker of the queue beskar7'],
  ])('%s: the machine names the run and the line that ends it, once', async (status, attempt, why) => {
    const { deps, told, cancels, looks, stop } = scene(status, attempt);
    const { signal } = new AbortController();
    const ended = new MockActivityEnvironment().run(() => endProvisioning(deps, ref, signal, 20));
    await until(() => told.length > 0);
    await until(() => looks() > 3);
    stop();
    await ended;
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(why);
    expect(told[0]).toContain('temporal workflow terminate -n beskar7 -w provision/ns/m -r run-1');
    expect(cancels).toEqual([status]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('one that ends in time says nothing', async () => {
    const { deps, told, stop } = scene('RUNNING');
    const ended = new MockActivityEnvironment().run(() =>
      endProvisioning(deps, ref, new AbortController().signal, 60_000),
    );
    setTimeout(stop, 20);
    await ended;
    expect(told).toEqual([]);
  });

  test('a worker that shuts down does not wait on', async () => {
    const { deps } = scene('RUNNING');
    const shutdown = new AbortController();
    const ended = new MockActivityEnvironment().run(() => endProvisioning(deps, ref, shutdown.signal, 60_000));
    setTimeout(() => shutdown.abort(new Error('the worker shuts down')), 20);
    await expect(ended).rejects.toThrow('the worker shuts down');
  });

  test('the text is one line', () => {
    const run = { workflowId: 'w', runId: 'r', status: { name: 'PAUSED' }, raw: {} } as never;
    expect(stuckText('beskar7', run)).not.toContain('\n');
  });
});
