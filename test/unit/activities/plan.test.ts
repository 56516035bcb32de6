import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bootInspector } from '../../../activities/provision/bootInspector.ts';
import { claimHost, type ClaimHostInput } from '../../../activities/claim/claimHost.ts';
import { failMachine } from '../../../activities/provision/endRun.ts';
import type { Plan } from '../../../activities/claim/plan.ts';
import type { Beskar7MachineSpec } from '../../../crds/beskar7Machine.ts';
import { bootSecretName, parseBootSpec } from '../../../model/bootSecret.ts';
import { claimOf } from '../../../model/claim.ts';
import { handledOf, isAskUnhandled, specHash } from '../../../model/handled.ts';
import { ANNOTATION_PLAN, FINALIZER_MACHINE } from '../../../crds/names.ts';
import { plannedSpec } from '../../../model/plan.ts';
import { HOSTS, MACHINES, SECRETS } from '../../../kube/resource.ts';
import { RedfishPool } from '../../../redfish/index.ts';
import { claimedHost, freeHost, machine } from '../controllers/builders.ts';
import { failureOf, fakeBmc, stopAll, type FakeBmc } from '../redfish/fakeBmc.ts';
import type { ClaimFields } from '../../support/claims.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, putBehind, REF, RUN, workerOn } from './worker.ts';

const FIRST = { targetOSImage: 'http://user:word@images/first.tar.gz', hardwareRequirements: { minCPUCores: 8 } };
const EDITED = { targetOSImage: 'http://images/second.tar.gz', hardwareRequirements: { minCPUCores: 99 } };
const OF = { namespace: 'ns', name: 'm', uid: 'm-uid' };
const planned = (spec: unknown, of: unknown = OF) => ({ [ANNOTATION_PLAN]: JSON.stringify({ of, spec }) });
const PLANNED = planned(FIRST);
const ADMITTED = { finalizers: [FINALIZER_MACHINE] };

let api: ApiServer;
let bmc: FakeBmc;
let redfish: RedfishPool;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  bmc = await fakeBmc();
  redfish = new RedfishPool();
  deps = workerOn(api, { redfish });
});
afterEach(async () => {
  await redfish.closeAll();
  await stopAll();
  await api.stop();
});

const claim = (input: Partial<ClaimHostInput> = {}) =>
  asActivity(() => claimHost(deps, { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false, ...input }));
const live = () => api.get(MACHINES, 'm');
const claimOn = (host: string) => claimOf(api.get(HOSTS, host));
const planOf = (result: unknown) => (result as { plan: Plan }).plan;
function edit(spec: Partial<Beskar7MachineSpec>): void {
  const now = live();
  api.put(MACHINES, { ...now, spec: { ...now.spec, ...spec } });
}
/** Boots the host of a claim; gives what its script is made of. */
async function bootedWith(host: string) {
  const id = claimOn(host)?.id ?? '';
  const ref = { ...REF, host, hostUid: `${host}-uid`, id };
  await asActivity((signal) => bootInspector(deps, { claim: ref, run: RUN }, signal));
  const { nodeName, machineName, ...spec } = specIn(host, id) ?? {};
  // Its name goes along, as the host name and for the providerID.
  expect([nodeName, machineName]).toEqual([REF.machine.name, REF.machine.name]);
  return spec;
}
function specIn(host: string, id: string) {
  const { spec } = api.get(SECRETS, bootSecretName(host, id)).data ?? {};
  return spec === undefined ? undefined : parseBootSpec(Buffer.from(spec, 'base64').toString());
}

describe('a run goes by the spec that it claimed its host for (rule 9)', () => {
  test('which stands on the machine before the claim, in the write that admits it; the claim has its hash', async () => {
    api.put(MACHINES, machine({ spec: FIRST }));
    api.put(HOSTS, freeHost('a'));
    const { plan, claim: made } = (await claim()) as { plan: Plan; claim: unknown };
    expect(plannedSpec(live())).toEqual(FIRST);
    expect(api.written().slice(0, 2)).toEqual(['patch beskar7machines/m', 'patch physicalhosts/a']);
    expect(claimOn('a')?.specHash).toBe(plan.specHash);
    // What the run carries stands in its history.
    expect(JSON.stringify({ plan, made })).not.toContain('word');
  });

  test.each([
    ['seen at once', () => undefined],
    ['not seen by the cache yet', () => machine({ spec: { targetOSImage: 'http://images/older' } })],
  ])('edited between the claim and the boot, %s: what it claimed for is booted', async (_what, cached) => {
    api.put(MACHINES, machine({ spec: FIRST }));
    putBehind(api, bmc, freeHost('a'));
    await claim();
    edit(EDITED);
    const before = cached();
    if (before) deps = workerOn(api, { redfish, caches: { ...deps.caches, machine: () => before } });
    expect(await bootedWith('a')).toEqual(FIRST);
  });

  test('edited, and its worker or run lost: whoever goes on with the claim goes by the same', async () => {
    api.put(MACHINES, machine({ spec: FIRST }));
    putBehind(api, bmc, freeHost('a'));
    const first = planOf(await claim());
    edit(EDITED);
    expect(planOf(await claim())).toEqual(first);
    await bootedWith('a');
    expect(planOf(await claim())).toEqual(first);
    expect(first.requirements).toEqual(FIRST.hardwareRequirements);
  });

  test('edited before its second attempt: that goes by the same, on a host as it is asked for now', async () => {
    api.put(MACHINES, machine({ spec: { ...FIRST, attempts: 2, hostSelector: { matchLabels: { rack: '1' } } } }));
    api.put(HOSTS, freeHost('a', { rack: '1' }));
    const first = await claim();
    api.put(HOSTS, claimedHost('Releasing', {}, { name: 'a', uid: 'a-uid' }, { id: claimOn('a')?.id ?? '' }));
    putBehind(api, bmc, freeHost('b', { rack: '2' }));
    const hostSelector = { matchLabels: { rack: '2' } };
    edit({ ...EDITED, attempts: 9, hostSelector });
    const second = await claim({ attempt: 2, tried: ['a'], imageHash: planOf(first).imageHash });
    expect(second).toMatchObject({ kind: 'claimed', claim: { ref: { host: 'b' }, attempt: 2 } });
    // What chooses the host is as it is asked for now, all else as at first.
    const { hardwareRequirements } = EDITED;
    const asked = { ...FIRST, attempts: 2, hostSelector, hardwareRequirements };
    expect(planOf(second)).toMatchObject({
      attempts: 2,
      requirements: hardwareRequirements,
      specHash: specHash(asked),
    });
    expect(claimOn('b')?.specHash).toBe(specHash(asked));
    expect(await bootedWith('b')).toEqual({ ...FIRST, hardwareRequirements });
  });

  test('what another run has left there is not taken for its plan: the first attempt was for something else', async () => {
    const imageHash = specHash(EDITED);
    const annotations = planned({ targetOSImage: 'http://images/of-before.tar.gz' });
    api.put(MACHINES, machine({ metadata: { ...ADMITTED, annotations }, spec: { ...EDITED, attempts: 2 } }));
    putBehind(api, bmc, freeHost('b'));
    await claim({ attempt: 2, tried: ['a'], imageHash });
    expect(await bootedWith('b')).toMatchObject(EDITED);
  });

  test('edited while it waits for its first host: nothing is begun, the edit counts', async () => {
    api.put(MACHINES, machine({ spec: FIRST }));
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    edit(EDITED);
    putBehind(api, bmc, freeHost('a'));
    expect(planOf(await claim()).specHash).toBe(specHash(live().spec));
    expect(await bootedWith('a')).toEqual(EDITED);
  });

  test('the run has ended: the plan goes in the same write, and the next run goes by the edit', async () => {
    api.put(MACHINES, machine({ spec: FIRST }));
    api.put(HOSTS, freeHost('a'));
    const plan = planOf(await claim());
    edit(EDITED);
    api.put(HOSTS, freeHost('a'));
    await asActivity(() =>
      failMachine(deps, { run: RUN, plan, outcome: 'Failed', reason: 'BootFailed', message: 'it did not boot' }),
    );
    expect(live().metadata.annotations?.[ANNOTATION_PLAN]).toBeUndefined();
    expect(handledOf(live())?.specHash).toBe(specHash(FIRST));
    expect(isAskUnhandled(live())).toBe(true);
    expect(planOf(await claim())).toMatchObject({ requirements: EDITED.hardwareRequirements });
  });

  test('edited after the hand-over, before that was written to the machine: told as what was handed over, not as what is asked for now', async () => {
    api.put(MACHINES, machine({ metadata: { ...ADMITTED, annotations: PLANNED }, spec: EDITED }));
    api.put(HOSTS, claimedHost('HandedOver', {}, {}, { specHash: specHash(FIRST) }));
    expect(await claim()).toMatchObject({ reason: 'AlreadyProvisioned' });
    expect(handledOf(live())).toMatchObject({ outcome: 'Provisioned', specHash: specHash(FIRST) });
  });
});

describe('what was planned is not known', () => {
  const armable = (claimed: ClaimFields, annotations: Record<string, string> = {}) => {
    api.put(MACHINES, machine({ metadata: { ...ADMITTED, annotations }, spec: EDITED }));
    putBehind(api, bmc, claimedHost('Claimed', {}, {}, claimed));
  };

  test.each([
    ['gone', {}],
    ['another one', planned({ targetOSImage: 'http://images/other' })],
    ['that of another machine', planned(FIRST, { ...OF, name: 'copied-from' })],
    ['no plan', { [ANNOTATION_PLAN]: '{"targetOSImage":' }],
  ])(
    'the annotation is %s and the spec was edited: nothing is minted, armed or sent, and the run says why',
    async (_what, annotations) => {
      armable({ specHash: specHash(FIRST) }, annotations);
      const failure = await failureOf(bootedWith('h'));
      expect(failure).toMatchObject({ type: 'InvalidBootConfiguration', nonRetryable: true });
      expect(String(failure)).toMatch(/is not known any more: .*The next run does what the spec asks for now/);
      expect(claimOn('h')?.stage).toBe('Claimed');
      expect(api.written()).toEqual([]);
      expect(bmc.changes).toEqual([]);
      expect(planOf(await claim()).specHash).toBe(specHash(FIRST));
    },
  );

  test('the machine is gone: its server is not booted, and it is looked for again', async () => {
    putBehind(api, bmc, claimedHost('Claimed', {}, {}, { specHash: specHash(FIRST) }));
    const failure = await failureOf(bootedWith('h'));
    expect(failure).toMatchObject({ type: 'Superseded' });
    expect(String(failure)).toContain('Beskar7Machine ns/m does not exist');
    expect(bmc.changes).toEqual([]);
  });

  test.each([
    5,
    {},
    { ...FIRST, attempts: 'many' },
    { ...FIRST, hardwareRequirements: { minCPUCores: null } },
    { ...FIRST, hardwareRequirements: null },
  ])('what no run can go by is not read: %j', (spec) => {
    expect(plannedSpec(machine({ metadata: { annotations: planned(spec) } }))).toBeUndefined();
  });

  test.each([
    ['of this machine', OF, FIRST],
    ['of this machine before it was moved or restored', { ...OF, uid: 'before' }, FIRST],
    ['of the machine whose manifest was copied', { ...OF, name: 'other' }, undefined],
    ['of one of the same name elsewhere', { ...OF, namespace: 'other' }, undefined],
    ['of nobody', undefined, undefined],
    ['of what is no object', null, undefined],
    ['of what is a word', 'm', undefined],
  ])('a plan %s', (_whose, of, expected) => {
    const annotations = { [ANNOTATION_PLAN]: JSON.stringify({ of, spec: FIRST }) };
    expect(plannedSpec(machine({ metadata: { annotations } }))).toEqual(expected);
  });

  test('a machine made from the exported manifest of one that was under way goes by its own spec', async () => {
    const annotations = planned(FIRST, { ...OF, name: 'exported', uid: 'e-uid' });
    api.put(MACHINES, machine({ metadata: { ...ADMITTED, annotations }, spec: EDITED }));
    putBehind(api, bmc, freeHost('a'));
    await claim();
    expect(plannedSpec(live())).toEqual(EDITED);
    expect(JSON.parse(live().metadata.annotations?.[ANNOTATION_PLAN] ?? '')).toMatchObject({ of: OF });
    expect(await bootedWith('a')).toEqual(EDITED);
  });
});
