import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { claimHost } from '../../../activities/claim/claimHost.ts';
import { findClaims, removeMachineFinalizer } from '../../../activities/release/deprovision.ts';
import { failMachine } from '../../../activities/provision/endRun.ts';
import { claimOf, type ClaimStage } from '../../../model/claim.ts';
import { handledOf } from '../../../model/handled.ts';
import { ANNOTATION_CLAIM, FINALIZER_MACHINE, LABEL_CONSUMER_UID } from '../../../crds/names.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { CLAIM, claimedHost, DELETED, freeHost, handled, machine, OURS } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, RUN, workerOn } from './worker.ts';

let api: ApiServer;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  deps = workerOn(api);
});
afterEach(() => api.stop());

/** What people and tools do to a claimed host, by name. */
const LOSSES: Readonly<Record<string, (host: PhysicalHost) => PhysicalHost>> = {
  'its claim is gone': (host) => withClaim(host, undefined),
  'its claim is cut off': (host) => withClaim(host, (host.metadata.annotations?.[ANNOTATION_CLAIM] ?? '').slice(0, 20)),
  'its claim and its label are gone': (host) => ({
    ...withClaim(host, undefined),
    metadata: { ...host.metadata, annotations: {}, labels: {} },
  }),
  'its label is gone': (host) => ({ ...host, metadata: { ...host.metadata, labels: {} } }),
  'its consumerRef is gone': ({ spec: { consumerRef: _gone, ...spec }, ...host }) => ({ ...host, spec }),
};

function withClaim(host: PhysicalHost, text: string | undefined): PhysicalHost {
  const { [ANNOTATION_CLAIM]: _lost, ...annotations } = host.metadata.annotations ?? {};
  const kept = text === undefined ? annotations : { ...annotations, [ANNOTATION_CLAIM]: text };
  return { ...host, metadata: { ...host.metadata, annotations: kept } };
}

function putLost(loss: string, stage: ClaimStage, status: PhysicalHostStatus): void {
  api.put(HOSTS, (LOSSES[loss] ?? ((host) => host))(claimedHost(stage, status)));
}

const INSPECTING: PhysicalHostStatus = { state: 'Inspecting', inspection: { claim: CLAIM } };
const stage = () => claimOf(api.get(HOSTS, 'h'))?.stage;
const runs = (metadata = {}) => {
  const spec = { providerID: 'b7://ns/h/m' };
  return machine({ metadata: { ...OURS, annotations: handled(machine({ spec }), 'Provisioned'), ...metadata }, spec });
};

describe.each(Object.keys(LOSSES))('a host whose machine is deleted: %s', (loss) => {
  test('while it runs its machine: it is found, to be released in good order', async () => {
    api.put(MACHINES, runs(DELETED));
    putLost(loss, 'HandedOver', { state: 'Ready' });
    const claims = await asActivity(() => findClaims(deps, RUN.machine));
    expect(claims).toMatchObject([{ host: 'h', machine: RUN.machine }]);
    const claim = claimOf(api.get(HOSTS, 'h'));
    expect([claim?.stage, claim?.releasedFrom]).toContain('HandedOver');
  });

  test('in mid-inspection: it is found, and its finalizer stays until the host is free', async () => {
    api.put(MACHINES, machine({ metadata: { ...OURS, ...DELETED } }));
    putLost(loss, 'Armed', INSPECTING);
    await expect(asActivity(() => removeMachineFinalizer(deps, RUN.machine))).rejects.toThrow(
      'host ns/h is still claimed for m: its release comes first',
    );
    expect(api.get(MACHINES, 'm').metadata.finalizers).toEqual([FINALIZER_MACHINE]);
    await expect(asActivity(() => findClaims(deps, RUN.machine))).resolves.toMatchObject([{ host: 'h', id: CLAIM }]);
    expect(api.get(HOSTS, 'h').metadata.labels).toEqual({ [LABEL_CONSUMER_UID]: 'm-uid' });
  });
});

describe.each(['its claim is gone', 'its claim is cut off', 'its claim and its label are gone'])(
  'a host in mid-inspection: %s',
  (loss) => {
    beforeEach(() => putLost(loss, 'Armed', INSPECTING));

    test('the next run of its machine ends that claim first, and does not claim a second host beside it', async () => {
      api.put(MACHINES, machine({ metadata: OURS }));
      api.put(HOSTS, freeHost('other'));
      const input = { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false };
      await expect(asActivity(() => claimHost(deps, input))).resolves.toMatchObject({
        kind: 'claimed',
        claim: { stage: 'Releasing', ref: { host: 'h', id: CLAIM }, reason: expect.stringMatching(/^ClaimLost: /) },
      });
      expect(api.get(HOSTS, 'other').spec.consumerRef).toBeUndefined();
    });

    test('a run that fails for it leaves a release behind, which is not the next run’s', async () => {
      api.put(MACHINES, machine({ metadata: OURS }));
      const end = { outcome: 'Failed', reason: 'ClaimLost', message: 'no longer claimed' } as const;
      await asActivity(() => failMachine(deps, { run: RUN, ...end }));
      expect(stage()).toBe('Releasing');
      expect(handledOf(api.get(MACHINES, 'm'))).toMatchObject({ outcome: 'Failed', claims: [CLAIM] });
    });
  },
);

test('a provisioned machine whose host has lost its claim and whose status is lost is recognised, and nothing is released', async () => {
  api.put(MACHINES, runs());
  putLost('its claim is gone', 'HandedOver', {});
  const input = { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false };
  await expect(asActivity(() => claimHost(deps, input))).resolves.toMatchObject({ reason: 'AlreadyProvisioned' });
  expect(stage()).toBe('HandedOver');
  expect(api.get(MACHINES, 'm').status?.phase).toBe('Provisioned');
});

test('a copied host whose consumerRef names the machine of another one is never released for it', async () => {
  api.put(MACHINES, runs(DELETED));
  const copy = withClaim(claimedHost('HandedOver'), undefined);
  const { status: _notCopied, ...made } = { ...copy, metadata: { ...copy.metadata, name: 'copy', uid: 'copy-uid' } };
  api.put(HOSTS, made);
  api.put(HOSTS, claimedHost('HandedOver', { state: 'Ready' }));
  await expect(asActivity(() => findClaims(deps, RUN.machine))).resolves.toMatchObject([{ host: 'h' }]);
  expect(claimOf(api.get(HOSTS, 'copy'))).toBeUndefined();
});
