import { describe, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { settleHandover, type SettleInput } from '../../../activities/provision/handOver.ts';
import { claimOf, type ClaimStage } from '../../../model/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { KubeError } from '../../../kube/error.ts';
import { CLAIM, claimedHost } from '../controllers/builders.ts';

type HostHandover = NonNullable<PhysicalHostStatus['handover']>;

const LATE = 'ProvisioningTimeout: Host h did not hand over';

/** An API server with one host and no machine; `meanwhile` is said to it just before the first write. */
function scene(stage: ClaimStage, said: HostHandover, options: { meanwhile?: HostHandover; reason?: string } = {}) {
  const { meanwhile, reason } = options;
  const state = { host: claimedHost(stage, { handover: said }, {}, reason === undefined ? {} : { reason }), writes: 0 };
  let isUpToDate = meanwhile === undefined;
  const say = () => {
    isUpToDate = true;
    const { metadata, status } = state.host;
    state.host = {
      ...state.host,
      metadata: { ...metadata, resourceVersion: `${metadata.resourceVersion ?? ''}+` },
      status: { ...status, handover: { ...said, ...meanwhile } },
    };
  };
  const conflict = () => {
    const status = { status: 409, reason: 'Conflict', message: 'changed' };
    return Promise.reject(new KubeError({ verb: 'patch', resource: 'physicalhosts' }, status));
  };
  const kube = {
    get: (resource: { plural: string }) =>
      resource.plural === 'physicalhosts'
        ? Promise.resolve(state.host)
        : Promise.reject(
            new KubeError({ verb: 'get', resource: 'x' }, { status: 404, reason: 'NotFound', message: '' }),
          ),
    mergePatch: (_resource: unknown, _namespace: string, _name: string, patch: PhysicalHost) => {
      if (!isUpToDate) say();
      const { metadata } = state.host;
      if (patch.metadata.resourceVersion !== metadata.resourceVersion) return conflict();
      const annotations = { ...metadata.annotations, ...patch.metadata.annotations };
      state.host = { ...state.host, metadata: { ...metadata, annotations } };
      state.writes += 1;
      return Promise.resolve(state.host);
    },
  };
  const caches = { host: () => undefined };
  const metrics = { provisioningDone: () => undefined };
  return { deps: { kube, caches, metrics, recorder: { event: () => undefined } } as unknown as Dependencies, state };
}

const machine = { namespace: 'ns', name: 'm', uid: 'm-uid' };
const input = (more: Partial<SettleInput> = {}): SettleInput =>
  ({
    claim: { namespace: 'ns', host: 'h', hostUid: 'h-uid', id: CLAIM, machine },
    run: { machine, workflow: { id: 'provision/ns/m', runID: 'run-1' } },
    plan: { specHash: 'x', retry: '', readyWhen: 'HandedOver', requirements: {} },
    startedAt: '2026-01-01T00:00:00Z',
    ...more,
  }) as SettleInput;

const opened: HostHandover = { claim: CLAIM, openedAt: '2026-01-01T00:00:00Z' };
const late = input({ timedOut: LATE });

describe('hand-over against timeout is decided by one write', () => {
  test('nothing was said: the claim is being released, and a repeat says the same', async () => {
    const { deps, state } = scene('Armed', opened);
    expect(await settleHandover(deps, late)).toEqual({ kind: 'timedOut' });
    expect(claimOf(state.host)).toMatchObject({ stage: 'Releasing', releasedFrom: 'Armed', reason: LATE });
    expect(await settleHandover(deps, late)).toEqual({ kind: 'timedOut' });
    expect(state.writes).toBe(1);
  });

  test('it was said between the last look and the write: it is handed over', async () => {
    const { deps, state } = scene('Armed', opened, { meanwhile: { claim: CLAIM, outcome: 'Provisioned' } });
    expect(await settleHandover(deps, late)).toEqual({ kind: 'provisioned' });
    expect(claimOf(state.host)?.stage).toBe('HandedOver');
  });

  test('a failure said just then is the reason, and nothing is written', async () => {
    const { deps, state } = scene('Armed', opened, {
      meanwhile: { claim: CLAIM, outcome: 'Failed', reason: 'no disk' },
    });
    expect(await settleHandover(deps, late)).toEqual({ kind: 'failed', reason: 'no disk' });
    expect(claimOf(state.host)?.stage).toBe('Armed');
  });

  test('a failure that comes in after the hand-over was said wins over it', async () => {
    const said: HostHandover = { ...opened, outcome: 'Provisioned' };
    const { deps, state } = scene('Armed', said, { meanwhile: { ...said, outcome: 'Failed', reason: 'kexec' } });
    expect(await settleHandover(deps, input())).toEqual({ kind: 'failed', reason: 'kexec' });
    expect(claimOf(state.host)?.stage).toBe('Armed');
  });

  test('an OS that has to report in: handed over by the inspector alone is not enough', async () => {
    const said: HostHandover = { ...opened, outcome: 'Provisioned' };
    const plan = { ...late.plan, readyWhen: 'OSReported' as const };
    const reported = scene('Armed', said, { meanwhile: { ...said, osReadyAt: '2026-01-01T00:01:00Z' } });
    expect(await settleHandover(reported.deps, { ...late, plan })).toEqual({ kind: 'provisioned' });
    expect(await settleHandover(scene('Armed', said).deps, { ...late, plan })).toEqual({ kind: 'timedOut' });
  });

  test('before the time is over nothing is written', async () => {
    const { deps, state } = scene('Armed', opened);
    expect(await settleHandover(deps, input())).toEqual({ kind: 'waiting' });
    expect(state.writes).toBe(0);
  });

  test.each([['Cancelled: on host h', late] as const, [LATE, input()] as const])(
    'a release for another reason (%s) is a lost claim',
    async (reason, asked) => {
      const { deps } = scene('Releasing', opened, { reason });
      await expect(settleHandover(deps, asked)).rejects.toMatchObject({ type: 'ClaimLost' });
    },
  );
});
