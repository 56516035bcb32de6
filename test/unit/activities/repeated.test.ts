import { describe, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { failMachine } from '../../../activities/provision/endRun.ts';
import { releaseHost } from '../../../activities/release/releaseHost.ts';
import { retireHost } from '../../../activities/release/retireHost.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { handledOf, isAskUnhandled } from '../../../model/handled.ts';
import { ANNOTATION_FORCE_RELEASE, ANNOTATION_RETRY } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { KubeError } from '../../../kube/error.ts';
import { CLAIM, claimedHost, DELETED, host, machine, OURS, SERVER } from '../controllers/builders.ts';

interface Patch {
  metadata: { uid?: string; resourceVersion?: string; annotations?: Record<string, string | null> };
  spec?: { consumerRef?: null };
  status?: object;
}

const fail = (status: number, reason: string) =>
  Promise.reject(new KubeError({ verb: 'x', resource: 'y' }, { status, reason, message: reason }));

const without = (entries: Record<string, string | null | undefined>) =>
  Object.fromEntries(Object.entries(entries).filter(([, value]) => value != null)) as Record<string, string>;

/** An API server with one object; `onStatus` happens just before the first write to its status. */
function server<T extends Beskar7Machine | PhysicalHost>(start: T, onStatus: () => T | undefined = () => undefined) {
  const state = { object: start, events: [] as string[], failures: 0 };
  const write = (patch: Patch): Promise<T> => {
    const { metadata, spec, status } = state.object;
    const isSame = patch.metadata.resourceVersion === metadata.resourceVersion && patch.metadata.uid === metadata.uid;
    if (!isSame) return fail(409, 'Conflict');
    const resourceVersion = `${metadata.resourceVersion ?? ''}+`;
    const annotations = without({ ...metadata.annotations, ...patch.metadata.annotations });
    state.object = {
      ...state.object,
      metadata: { ...metadata, resourceVersion, annotations },
      spec: without({ ...(spec as object), ...patch.spec }),
      status: { ...status, ...patch.status },
    } as unknown as T;
    return Promise.resolve(state.object);
  };
  const writeStatus = (patch: Patch): Promise<T> => {
    state.object = onStatus() ?? state.object;
    return write(patch);
  };
  const kube = {
    get: () => Promise.resolve(state.object),
    list: () => Promise.resolve({ items: [] }),
    delete: () => Promise.resolve(),
    mergePatch: (_resource: unknown, _namespace: string, _name: string, patch: Patch, options?: object) =>
      options === undefined ? write(patch) : writeStatus(patch),
    applyStatus: (_resource: unknown, patch: Patch) => writeStatus(patch),
  };
  const deps = {
    kube,
    caches: { hostsNaming: () => [], machineOn: () => undefined, duplicateOf: () => undefined },
    credentials: { get: () => fail(404, 'NotFound') },
    recorder: { event: (_about: unknown, _type: string, reason: string) => state.events.push(reason) },
    metrics: { provisioningFailed: () => (state.failures += 1) },
  };
  return { deps: deps as unknown as Dependencies, state };
}

const another = host({ metadata: { uid: 'another-uid', resourceVersion: '100', finalizers: [] } });
const never = new AbortController().signal;

describe('a host that is made again under its name while an activity runs', () => {
  test('its release does not write on the new one that it is free', async () => {
    const released = claimedHost('Releasing', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'scrapped' } });
    const { deps, state } = server<PhysicalHost>(released, () => another);
    const claim = {
      namespace: 'ns',
      host: 'h',
      hostUid: 'h-uid',
      id: CLAIM,
      machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
    };
    const input = { claim, attempt: 1 };
    await expect(releaseHost(deps, { ...input, nextAttemptInMs: 1 }, never)).rejects.toMatchObject({
      type: 'ClaimLost',
    });
    expect(state.object).toEqual(another);
  });

  test('its retirement does not write its failure on the new one', async () => {
    const gone = host({ metadata: { ...DELETED, annotations: SERVER }, status: { state: 'Available' } });
    const { deps, state } = server<PhysicalHost>(gone, () => another);
    const ref = { namespace: 'ns', name: 'h', uid: 'h-uid' };
    await expect(retireHost(deps, { host: ref, attempt: 1, nextAttemptInMs: 1 }, never)).rejects.toMatchObject({
      type: 'ClaimLost',
    });
    expect(state.object).toEqual(another);
  });

  test('the failure of its retirement is told on the host itself', async () => {
    const { deps, state } = server<PhysicalHost>(
      host({ metadata: { ...DELETED, annotations: SERVER }, status: { state: 'Available' } }),
    );
    const ref = { namespace: 'ns', name: 'h', uid: 'h-uid' };
    await expect(retireHost(deps, { host: ref, attempt: 1, nextAttemptInMs: 1 }, never)).rejects.toMatchObject({
      type: 'BmcCredentials',
    });
    expect(state.object.status?.state).toBe('Error');
  });
});

describe('the end of a run whose answer was lost', () => {
  const input = {
    run: {
      machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
      workflow: { id: 'provision/ns/m', runID: 'run-1' },
    },
    outcome: 'Failed' as const,
    reason: 'BootFailed' as const,
    message: 'it did not boot',
  };

  test('a retry that was asked for between its two tries stays asked for', async () => {
    const { deps, state } = server<Beskar7Machine>(machine({ metadata: OURS }));
    await failMachine(deps, input);
    expect(state.object.status).toMatchObject({ phase: 'Failed', workflow: { runID: 'run-1' } });
    expect(isAskUnhandled(state.object)).toBe(false);

    const { metadata } = state.object;
    state.object = {
      ...state.object,
      metadata: {
        ...metadata,
        resourceVersion: '9',
        annotations: { ...metadata.annotations, [ANNOTATION_RETRY]: '2' },
      },
    };
    await failMachine(deps, input);
    expect(handledOf(state.object)).toMatchObject({ outcome: 'Failed', retry: '' });
    expect(isAskUnhandled(state.object)).toBe(true);
    expect(state.failures).toBe(1);
    expect(state.events).toEqual(['BootFailed', 'BootFailed']);
  });

  test('a retry during the run is answered by it', async () => {
    const { deps, state } = server<Beskar7Machine>(
      machine({ metadata: { ...OURS, annotations: { [ANNOTATION_RETRY]: '1' } } }),
    );
    await failMachine(deps, input);
    expect(isAskUnhandled(state.object)).toBe(false);
  });
});
