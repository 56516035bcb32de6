import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { claimHost, type ClaimHostInput } from '../../../activities/claim/claimHost.ts';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { failMachine, reportProgress } from '../../../activities/provision/endRun.ts';
import { takeReport } from '../../../activities/provision/inspection.ts';
import { planOf } from '../../../activities/claim/plan.ts';
import type { Beskar7MachineSpec } from '../../../crds/beskar7Machine.ts';
import { claimOf, type ClaimStage } from '../../../model/claim.ts';
import { askOf, handledOf, isAskUnhandled } from '../../../model/handled.ts';
import {
  ANNOTATION_BLOCK_MOVE,
  ANNOTATION_HANDLED,
  ANNOTATION_PAUSED,
  ANNOTATION_RETRY,
  FINALIZER_MACHINE,
} from '../../../crds/names.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { claimedHost, freeHost, handled, machine } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
let deps: ReturnType<typeof workerOn>;
beforeEach(async () => {
  api = await ApiServer.start();
  deps = workerOn(api);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await api.stop();
});

const claim = (input: Partial<ClaimHostInput> = {}) =>
  asActivity(() => claimHost(deps, { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: false, ...input }));
const live = () => api.get(MACHINES, 'm');
const held = (name: string, stage: ClaimStage, more: { id?: string; attempt?: number; reason?: string } = {}) => {
  const host = claimedHost(stage, {}, {}, more);
  return { ...host, metadata: { ...host.metadata, name, uid: `${name}-uid` } } satisfies PhysicalHost;
};
const ADMITTED = { finalizers: [FINALIZER_MACHINE] };

/** A machine whose last run failed, and which asks for another one. */
function retried(claims?: readonly string[]) {
  const asked = machine({ metadata: ADMITTED });
  const last = handled(asked, 'Failed', { reason: 'BootFailed', ...(claims ? { claims } : {}) });
  return machine({ metadata: { ...ADMITTED, annotations: { ...last, [ANNOTATION_RETRY]: '2' } } });
}

describe('while a later run works', () => {
  test('it stays due, also when the user asks for what the last run has dealt with', async () => {
    api.put(MACHINES, retried());
    api.put(HOSTS, freeHost('a'));
    expect(await claim()).toMatchObject({ kind: 'claimed' });
    // `kubectl annotate … beskar7.io/retry-`, or a spec edit that is taken back.
    const { metadata, ...rest } = live();
    const { [ANNOTATION_RETRY]: _gone, ...annotations } = metadata.annotations ?? {};
    api.put(MACHINES, { ...rest, metadata: { ...metadata, annotations } });
    expect(isAskUnhandled(live())).toBe(true);
    // Its run is terminated: the next one goes on with the claim.
    expect(await claim()).toMatchObject({ kind: 'claimed', claim: { isAdopted: true, ref: { host: 'a' } } });
  });

  test('a release that the last run left under way is not its own, also when this call is repeated', async () => {
    api.put(MACHINES, retried(['old']));
    api.put(HOSTS, held('gone', 'Releasing', { id: 'old', reason: 'BootFailed: it did not boot' }));
    api.put(HOSTS, freeHost('a'));
    expect(await claim()).toMatchObject({ kind: 'claimed', claim: { stage: 'Claimed', ref: { host: 'a' } } });
    expect(await claim()).toMatchObject({ kind: 'claimed', claim: { stage: 'Claimed', ref: { host: 'a' } } });
  });

  test('a release that it began itself is finished, for its own reason: a cancelled run stays cancelled', async () => {
    api.put(MACHINES, retried(['old']));
    api.put(HOSTS, held('mine', 'Releasing', { id: 'new', reason: 'Cancelled: by somebody' }));
    api.put(HOSTS, freeHost('a'));
    const result = await claim();
    expect(result).toMatchObject({ claim: { stage: 'Releasing', reason: 'Cancelled: by somebody', isAdopted: true } });
  });

  test('the release of an earlier attempt does not count, that of this one does', async () => {
    api.put(MACHINES, machine({ metadata: ADMITTED }));
    api.put(HOSTS, held('first', 'Releasing', { id: 'one', attempt: 1, reason: 'BootFailed: it did not boot' }));
    api.put(HOSTS, freeHost('a'));
    expect(await claim({ attempt: 2, tried: ['first'] })).toMatchObject({ claim: { ref: { host: 'a' }, attempt: 2 } });
  });
});

describe('why earlier attempts of a run have failed', () => {
  const attempt = 'Attempt 1 of 3 failed (BootFailed): Host b was not booted.';
  const run = { ...RUN, earlierAttempts: [attempt] };
  const said = () => live().status?.conditions?.map(({ reason, message }) => `${reason}: ${message}`) ?? [];

  test('stands in the conditions while another host is tried, waited for and used, and when the run fails', async () => {
    const events: string[] = [];
    deps = workerOn(api, {
      recorder: {
        event: (about: { kind?: string }, _type: string, reason: string, message: string) =>
          void events.push(`${about.kind ?? ''} ${reason} ${message}`),
      } as unknown as Dependencies['recorder'],
    });
    api.put(MACHINES, machine({ metadata: ADMITTED }));
    const failed = { reason: 'HardwareRequirementsNotMet' as const, message: attempt };
    await asActivity(() =>
      reportProgress(deps, { run, phase: 'Claiming', reason: 'RetryingOnAnotherHost', message: 'Another.', failed }),
    );
    expect(said()).toEqual(Array(3).fill(`RetryingOnAnotherHost: Another. ${attempt}`));
    expect(events).toEqual([`Beskar7Machine HardwareValidationFailed ${attempt}`]);
    await claim({ run, attempt: 2, tried: ['b'] });
    expect(said()[0]).toMatch(/^NoMatchingHost: .*Attempt 1 of 3 failed/);
    api.put(HOSTS, freeHost('a'));
    await claim({ run, attempt: 2, tried: ['b'] });
    expect(said()[0]).toMatch(/^ClaimingHost: Host a .*Attempt 1 of 3 failed/);
    await asActivity(() =>
      failMachine(deps, { run, outcome: 'Failed', reason: 'BootFailed', message: 'Host a was not booted.' }),
    );
    expect(said()[0]).toBe(`BootFailed: Host a was not booted. ${attempt}`);
    // The next provisioning has attempts of its own.
    expect(live().status?.earlierAttempts).toBeUndefined();
  });

  test('is carried on by the run that goes on where that one was lost', async () => {
    api.put(MACHINES, machine({ metadata: ADMITTED, status: { phase: 'Claiming', earlierAttempts: [attempt] } }));
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost', earlierAttempts: [attempt] });
    expect(await claim({ isCancelled: true })).toMatchObject({ earlierAttempts: [attempt] });
    expect(live().status?.earlierAttempts).toEqual([attempt]);
    expect(said()[0]).toContain(attempt);
    api.put(HOSTS, freeHost('a'));
    expect(await claim()).toMatchObject({ kind: 'claimed', earlierAttempts: [attempt] });
    expect(await claim()).toMatchObject({ claim: { isAdopted: true }, earlierAttempts: [attempt] });
  });
});

describe('a run that goes on after one that was lost', () => {
  test('never takes a host that was tried, and counts the attempts', async () => {
    const waitingFor = { triedHosts: ['a'] };
    api.put(MACHINES, machine({ metadata: ADMITTED, status: { phase: 'Claiming', waitingFor } }));
    api.put(HOSTS, freeHost('a'));
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    expect(live().status?.waitingFor).toEqual(waitingFor);
    api.put(HOSTS, freeHost('b'));
    const result = await claim();
    expect(result).toMatchObject({ claim: { ref: { host: 'b' }, attempt: 2, tried: ['a'] } });
    expect(claimOf(api.get(HOSTS, 'b'))).toMatchObject({ attempt: 2, tried: ['a'] });
    // Lost once more: the claim knows it, the status does not any more.
    expect(live().status?.waitingFor).toBeUndefined();
    expect(await claim()).toMatchObject({ claim: { isAdopted: true, attempt: 2, tried: ['a'] } });
  });
});

test('a run that waits for another host in a fresh history leaves the release of the first one to whom it is with', async () => {
  const waitingFor = { triedHosts: ['first'] };
  api.put(MACHINES, machine({ metadata: ADMITTED, status: { phase: 'Claiming', waitingFor } }));
  api.put(HOSTS, held('first', 'Releasing', { id: 'one', attempt: 1, reason: 'BootFailed: it did not boot' }));
  api.put(HOSTS, freeHost('b'));
  const result = await claim();
  expect(result).toMatchObject({ claim: { isAdopted: false, attempt: 2, tried: ['first'], ref: { host: 'b' } } });
});

describe('the end of a run', () => {
  const end = (reason: 'ClaimLost' | 'BootFailed') =>
    asActivity(() => failMachine(deps, { run: RUN, outcome: 'Failed', reason, message: 'why' }));

  test('names the claims whose release goes on', async () => {
    api.put(MACHINES, machine({ metadata: ADMITTED }));
    api.put(HOSTS, held('a', 'Releasing', { id: 'old' }));
    await end('BootFailed');
    expect(handledOf(live())).toMatchObject({ outcome: 'Failed', reason: 'BootFailed', claims: ['old'] });
    expect(isAskUnhandled(live())).toBe(false);
  });

  test.each<ClaimStage>(['Claimed', 'Armed', 'HandedOver'])(
    'a claim in %s that another worker of the same machine made is left to another run, not to nobody',
    async (stage) => {
      api.put(MACHINES, machine({ metadata: ADMITTED }));
      api.put(HOSTS, held('a', stage));
      await end('ClaimLost');
      expect(live().status).toMatchObject({ phase: 'Failed' });
      expect(isAskUnhandled(live())).toBe(true);
    },
  );

  test('a claim that was lost to somebody else is an end like any other', async () => {
    api.put(MACHINES, machine({ metadata: ADMITTED }));
    await end('ClaimLost');
    expect(isAskUnhandled(live())).toBe(false);
  });

  test('of a stopped worker: it comes when another run has provisioned the machine, and writes nothing', async () => {
    const asked = machine({ metadata: ADMITTED });
    api.put(MACHINES, asked);
    api.put(HOSTS, held('a', 'Armed'));
    const { metadata } = live();
    api.answering = ({ verb, what }) => {
      if (verb !== 'get' || what !== 'beskar7machines/m') return;
      api.answering = () => undefined;
      // Between its look and its write.
      api.put(MACHINES, {
        ...asked,
        metadata: {
          ...metadata,
          annotations: { [ANNOTATION_HANDLED]: JSON.stringify({ ...askOf(asked), outcome: 'Provisioned' }) },
        },
        spec: { ...asked.spec, providerID: 'b7://ns/a/m' },
        status: { phase: 'Provisioned', ready: true, workflow: { id: RUN.workflow.id, runID: 'run-2' } },
      });
    };
    await end('BootFailed');
    expect(handledOf(live())).toMatchObject({ outcome: 'Provisioned' });
    expect(live().status).toMatchObject({ phase: 'Provisioned', ready: true });
  });
});

describe('the end of a run that comes late', () => {
  /** Between the look of a stopped worker and its write, a run that the user asked for has come to its own end. */
  function overtaken(by: Record<string, string>) {
    const { metadata } = live();
    api.answering = ({ verb, what }) => {
      if (verb !== 'get' || what !== 'beskar7machines/m') return;
      api.answering = () => undefined;
      const status = { phase: 'Failed' as const, workflow: { id: RUN.workflow.id, runID: 'run-2' } };
      api.put(MACHINES, { ...live(), metadata: { ...metadata, annotations: by }, status });
    };
  }

  test('a cancelled machine stays cancelled: the end of the run before is not written over it', async () => {
    const status = { phase: 'Inspecting' as const, workflow: RUN.workflow };
    api.put(MACHINES, machine({ metadata: ADMITTED, status }));
    const cancelled = {
      [ANNOTATION_RETRY]: '2',
      [ANNOTATION_HANDLED]: JSON.stringify({ ...askOf(machine()), retry: '2', outcome: 'Cancelled' }),
    };
    overtaken(cancelled);
    await asActivity(() => failMachine(deps, { run: RUN, outcome: 'Failed', reason: 'BootFailed', message: 'why' }));
    expect(handledOf(live())).toMatchObject({ outcome: 'Cancelled', retry: '2' });
    expect(isAskUnhandled(live())).toBe(false);
    expect(live().status?.workflow?.runID).toBe('run-2');
  });

  test('it is written when its status was lost meanwhile', async () => {
    const status = { phase: 'Inspecting' as const, workflow: RUN.workflow };
    api.put(MACHINES, machine({ metadata: ADMITTED, status }));
    api.answering = ({ verb, what }) => {
      if (verb !== 'get' || what !== 'beskar7machines/m') return;
      api.answering = () => undefined;
      const { status: _lost, ...rest } = live();
      api.put(MACHINES, rest);
    };
    await asActivity(() => failMachine(deps, { run: RUN, outcome: 'Failed', reason: 'BootFailed', message: 'why' }));
    expect(live().status).toMatchObject({ phase: 'Failed' });
    expect(isAskUnhandled(live())).toBe(false);
  });

  test('it is not sent when another worker may have written it since', async () => {
    api.put(MACHINES, machine({ metadata: ADMITTED }));
    const began = performance.now();
    let isLate = false;
    jest.spyOn(performance, 'now').mockImplementation(() => began + (isLate ? 26_000 : 0));
    api.answering = () => void (isLate = true);
    const end = asActivity(() =>
      failMachine(deps, { run: RUN, outcome: 'Failed', reason: 'BootFailed', message: 'why' }),
    );
    await expect(end).rejects.toThrow(/took too long to write; it is retried/);
    expect(handledOf(live())).toBeUndefined();
  });
});

describe('a run that is cancelled while it waits for another host', () => {
  const plan = { specHash: askOf(machine()).specHash, retry: '', imageHash: planOf(machine()).imageHash };
  const cancel = (host?: string) =>
    asActivity(() =>
      failMachine(deps, {
        run: RUN,
        plan,
        outcome: 'Cancelled',
        reason: 'Cancelled',
        message: 'why',
        ...(host === undefined ? {} : { host }),
      }),
    );
  const edited = (spec: Partial<Beskar7MachineSpec>) => api.put(MACHINES, machine({ metadata: ADMITTED, spec }));
  const elsewhere = { hostSelector: { matchLabels: { rack: '2' } } };

  test('stays cancelled when hostSelector was edited for that: the run looked by it', async () => {
    edited(elsewhere);
    await cancel();
    expect(isAskUnhandled(live())).toBe(false);
  });

  test.each([
    ['another image was asked for', { ...elsewhere, targetOSImage: 'http://images/next.tar.gz' }, undefined],
    ['it had a host: what was edited since is for the next run', elsewhere, 'a'],
  ])('not when %s', async (_why, spec, host) => {
    edited(spec);
    await cancel(host);
    expect(isAskUnhandled(live())).toBe(true);
  });
});

test('what a stopped worker of an earlier run writes late does not take Provisioned away', async () => {
  const status = { phase: 'Provisioned' as const, ready: true, workflow: { id: RUN.workflow.id, runID: 'run-2' } };
  api.put(MACHINES, machine({ metadata: ADMITTED, spec: { providerID: 'b7://ns/h/m' }, status }));
  const reported = { inspection: { claim: REF.id, reportDigest: 'digest' } };
  api.put(HOSTS, claimedHost('Armed', reported));
  await asActivity(() => takeReport(deps, { claim: REF, run: { ...RUN, machineVersion: '1' }, timedOut: false }));
  expect(live().status).toMatchObject({ phase: 'Provisioned', ready: true });
});

test.each<[ClaimStage, boolean]>([
  ['Releasing', false],
  ['Claimed', true],
  ['Armed', true],
])(
  'a paused machine with a host in %s may be moved only when nothing but a release is under way',
  async (stage, blocks) => {
    const annotations = { [ANNOTATION_PAUSED]: '', [ANNOTATION_BLOCK_MOVE]: 'true' };
    const status = { phase: 'Claiming' as const, hostRef: { name: 'a', namespace: 'ns' } };
    api.put(MACHINES, machine({ metadata: { ...ADMITTED, annotations }, status }));
    api.put(HOSTS, held('a', stage));
    expect(await claim()).toMatchObject({ kind: 'notDue', reason: 'Paused' });
    expect(live().metadata.annotations?.[ANNOTATION_BLOCK_MOVE] !== undefined).toBe(blocks);
  },
);
