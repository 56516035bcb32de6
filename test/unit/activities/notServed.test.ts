import { describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { enrollHost, enrollHostUnserved } from '../../../activities/enroll/enrollHost.ts';
import { releaseHostUnserved } from '../../../activities/release/releaseHost.ts';
import { retireHostUnserved } from '../../../activities/release/retireHost.ts';
import { ANNOTATION_FORCE_RELEASE, FINALIZER_HOST } from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { KubeError } from '../../../kube/error.ts';
import { CLAIM, claimedHost, DELETED, host as hostWith, SERVER } from '../controllers/builders.ts';

type Options = { readonly subresource?: string } | undefined;

/**
 * An API server with one host, nothing at a BMC: `written` holds status and metadata that were sent, `said` the events.
 */
function scene(host: PhysicalHost, refuses?: KubeError) {
  const written: { status?: PhysicalHost['status']; metadata?: { annotations?: object; finalizers?: string[] } }[] = [];
  const said: string[] = [];
  const kube = {
    get: () => Promise.resolve(host),
    delete: () => Promise.resolve(),
    mergePatch: (_resource: unknown, _namespace: string, _name: string, patch: object, options: Options) => {
      if (refuses && options?.subresource !== 'status') return Promise.reject(refuses);
      written.push(patch);
      return Promise.resolve(host);
    },
  };
  const recorder = { event: (_object: unknown, _type: string, reason: string) => void said.push(reason) };
  const caches = { machineOn: () => undefined, duplicateOf: () => undefined };
  return { deps: { kube, caches, recorder } as unknown as Dependencies, written, said };
}

/** Conditions of the last status that was written, as `Type=Status Reason`. */
function conditions(written: ReturnType<typeof scene>['written']): string[] {
  const list = written.findLast(({ status }) => status)?.status?.conditions ?? [];
  return list.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
}

const connection = { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc', workerPool: 'site-a' };
const free = hostWith({ spec: { redfishConnection: connection } });
const ref = { namespace: 'ns', name: free.metadata.name, uid: free.metadata.uid ?? '' };

describe('no worker of the pool', () => {
  test('enrolment: the host says so, with the flag, and where it goes on', async () => {
    const { deps, written } = scene(free);
    expect(await enrollHostUnserved(deps, ref)).toMatchObject({ kind: 'pending', pool: 'site-a' });
    expect(conditions(written)).toEqual(['Ready=False NoWorker']);
    expect(written[0]?.status).toMatchObject({ state: 'Error', ready: false });
    expect(written[0]?.status?.conditions?.[0]?.message).toContain('--worker-pool=site-a');
  });

  test('enrolment of a host that is to be deleted meanwhile: nothing is written', async () => {
    const { deps, written } = scene(hostWith({ metadata: DELETED, spec: { redfishConnection: connection } }));
    expect(await enrollHostUnserved(deps, ref)).toMatchObject({ kind: 'notDue' });
    expect(written).toEqual([]);
  });

  const release = (host: PhysicalHost) => ({
    claim: {
      namespace: 'ns',
      host: host.metadata.name,
      hostUid: host.metadata.uid ?? '',
      id: CLAIM,
      machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
      pool: 'site-a',
    },
    attempt: 1,
    nextAttemptInMs: 2_000,
  });

  test('release: told, still claimed, and nothing is said of the BMC, which nobody asked', async () => {
    const host = claimedHost('Releasing');
    const { deps, written } = scene(host);
    expect(await releaseHostUnserved(deps, release(host))).toEqual({ kind: 'pending' });
    expect(conditions(written)).toEqual(['Ready=False ReleasePending']);
    expect(written.every(({ metadata }) => metadata?.annotations === undefined)).toBe(true);
  });

  test('release by force: freed, to be enrolled again', async () => {
    const host = claimedHost('Releasing', {}, { annotations: { [ANNOTATION_FORCE_RELEASE]: 'gone' } });
    const { deps, said } = scene(host);
    expect(await releaseHostUnserved(deps, release(host))).toEqual({ kind: 'forced' });
    expect(said).toEqual(['ForceReleased']);
  });

  const deleted = (parts: Partial<PhysicalHost>, annotations: Record<string, string> = {}): PhysicalHost => ({
    ...hostWith({
      metadata: { ...DELETED, finalizers: [FINALIZER_HOST], annotations },
      spec: { redfishConnection: connection },
    }),
    ...parts,
  });
  const retire = { host: ref, attempt: 1, nextAttemptInMs: 2_000 };

  test('deletion of a host that was enrolled: told, and it stays', async () => {
    const { deps, written } = scene(deleted({ status: { state: 'Available' } }, SERVER));
    expect(await retireHostUnserved(deps, retire)).toEqual({ kind: 'pending', pool: 'site-a' });
    expect(conditions(written)).toEqual(['Ready=False ReleasePending']);
  });

  test('deletion of a host that never was: it goes, as with a BMC that does not answer', async () => {
    const { deps, said } = scene(deleted({}));
    expect(await retireHostUnserved(deps, retire)).toEqual({ kind: 'off', secrets: ['bmc'] });
    expect(said).toEqual(['DeletedUnseen']);
  });

  test.each([
    ['set before: refused with a word, and the host says that it is held up', false],
    ['set after that: it goes', true],
  ])('deletion by force, %s', async (_what, isHeldUp) => {
    const held = { type: 'Ready', status: 'False' as const, reason: 'ReleasePending', message: 'no worker' };
    const conditions = isHeldUp ? [{ ...held, lastTransitionTime: '2026-01-01T00:00:00Z' }] : [];
    const host = deleted({ status: { state: 'Error', conditions } }, { ...SERVER, [ANNOTATION_FORCE_RELEASE]: 'gone' });
    const { deps, said } = scene(host);
    expect(await retireHostUnserved(deps, retire)).toEqual(
      isHeldUp ? { kind: 'off', secrets: ['bmc'] } : { kind: 'pending', pool: 'site-a' },
    );
    expect(said).toEqual([isHeldUp ? 'ForceReleased' : 'ForceReleaseRefused']);
  });
});

describe('an API server that refuses what an enrolment has to write', () => {
  const subject = { verb: 'patch', resource: 'physicalhosts', namespace: 'ns', name: free.metadata.name };
  const answer = (status: number) => new KubeError(subject, { status, reason: 'Forbidden', message: 'policy says no' });
  const enroll = (deps: Dependencies) =>
    new MockActivityEnvironment().run(() =>
      enrollHost(deps, { host: ref, failures: 0 }, new AbortController().signal),
    ) as Promise<unknown>;

  test.each([403, 422])('%d is told on the host, with its words, and tried later', async (status) => {
    const { deps, written } = scene(hostWith({ metadata: { finalizers: [] } }), answer(status));
    expect(await enroll(deps)).toMatchObject({ kind: 'failed' });
    expect(conditions(written)).toEqual(['Ready=False APIServerRefused']);
    expect(written[0]?.status?.conditions?.[0]?.message).toContain('policy says no');
  });

  test('500 is no refusal: the activity fails, and is repeated soon', async () => {
    const { deps, written } = scene(hostWith({ metadata: { finalizers: [] } }), answer(500));
    await expect(enroll(deps)).rejects.toThrow('policy says no');
    expect(written).toEqual([]);
  });
});
