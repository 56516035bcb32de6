import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { claimHost, type ClaimHostResult } from '../../../activities/claim/claimHost.ts';
import type { HardwareRequirements } from '../../../crds/beskar7Machine.ts';
import type { InspectionReport } from '../../../crds/inspectionReport.ts';
import { ANNOTATION_CALLS_UNTIL, ANNOTATION_RETRY } from '../../../crds/names.ts';
import { callsUntilPatch } from '../../../model/callsUntil.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { freeHost, handled, machine } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, RUN, workerOn } from './worker.ts';

let api: ApiServer;
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(() => api.stop());

const claim = (isReset = false): Promise<ClaimHostResult> => {
  const { uid = '' } = api.get(MACHINES, 'm').metadata;
  const run = { ...RUN, machine: { ...RUN.machine, uid } };
  return asActivity(() => claimHost(workerOn(api), { run, attempt: 1, tried: [], isReset, isCancelled: false }));
};
const claimsSent = () => api.written().filter((write) => /^patch physicalhosts\/[^/]+$/.test(write));

function wants(hardwareRequirements: HardwareRequirements, annotations: Record<string, string> = {}): void {
  api.put(MACHINES, machine({ metadata: { annotations }, spec: { hardwareRequirements } }));
}

function putHost(name: string, inspectionReport?: InspectionReport): void {
  const host = freeHost(name);
  api.put(HOSTS, {
    ...host,
    status: { ...host.status, ...(inspectionReport === undefined ? {} : { inspectionReport }) },
  });
}

const report = (cores: number, totalGB: number, sizeGB: number): InspectionReport => ({
  cpus: { cores },
  memory: { totalGB },
  disks: [{ sizeGB: 1 }, { sizeGB }, { sizeGB: 100_000, removable: true }],
});

describe('hosts whose last report does not meet hardwareRequirements', () => {
  test('are not booted, where all are known to have 64 GiB; the message counts them and says what to do', async () => {
    for (const name of ['a', 'b', 'c']) putHost(name, report(16, 64, 500));
    wants({ minMemoryGB: 512 });
    const result = await claim();
    expect(claimsSent()).toEqual([]);
    expect(result).toMatchObject({
      kind: 'noMatchingHost',
      message: expect.stringMatching(
        /asked for any host with minMemoryGB=512, looked at 3 hosts \(3 with too little memory by their last report\)\..*set the annotation beskar7\.io\/retry to a new value/,
      ) as unknown,
    });
    const [ready] = api.get(MACHINES, 'm').status?.conditions ?? [];
    expect(ready).toMatchObject({ reason: 'NoMatchingHost', message: expect.stringContaining('3 with too little') });
  });

  test('are counted by what they lack', async () => {
    putHost('a', report(4, 512, 900));
    putHost('b', report(32, 64, 900));
    putHost('c', report(32, 512, 400));
    putHost('d', report(4, 64, 900));
    putHost('e', { ...report(32, 512, 900), disks: [] });
    wants({ minCPUCores: 8, minMemoryGB: 512, minDiskGB: 500 });
    expect((await claim()) as { message: string }).toMatchObject({
      message: expect.stringContaining(
        'asked for any host with minCPUCores=8,minMemoryGB=512,minDiskGB=500, looked at 5 hosts (' +
          '1 with too few CPU cores by their last report, 1 with too little memory by their last report, ' +
          '2 with too small disks by their last report, 1 with too few CPU cores and too little memory by their last report)',
      ) as unknown,
    });
    expect(claimsSent()).toEqual([]);
  });

  test.each<[string, InspectionReport | undefined]>([
    ['was never inspected', undefined],
    ['has a report without memory', { cpus: { cores: 64 }, disks: [] }],
    ['has an empty report', {}],
    ['meets them', report(16, 512, 500)],
  ])('one that %s is claimed and inspected, beside one that does not', async (_which, known) => {
    putHost('small', report(16, 64, 500));
    putHost('b', known);
    wants({ minMemoryGB: 512 });
    expect(await claim()).toMatchObject({ kind: 'claimed', claim: { ref: { host: 'b' } } });
  });

  test('a machine that asks for nothing takes them', async () => {
    putHost('a', report(1, 1, 1));
    wants({ minMemoryGB: 0 });
    expect(await claim()).toMatchObject({ kind: 'claimed' });
  });

  test('lowered requirements count at once for a machine that waits', async () => {
    putHost('a', report(16, 64, 500));
    wants({ minMemoryGB: 512 });
    expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    const waiting = api.get(MACHINES, 'm');
    api.put(MACHINES, { ...waiting, spec: { ...waiting.spec, hardwareRequirements: { minMemoryGB: 64 } } });
    expect(await claim()).toMatchObject({ kind: 'claimed', plan: { requirements: { minMemoryGB: 64 } } });
  });

  describe('are inspected once more', () => {
    const failed = machine({ spec: { hardwareRequirements: { minMemoryGB: 512 } } });

    test('when a person asks to try again', async () => {
      putHost('a', report(16, 64, 500));
      wants({ minMemoryGB: 512 }, { ...handled(failed, 'Failed'), [ANNOTATION_RETRY]: '1' });
      expect(await claim()).toMatchObject({ kind: 'claimed', plan: { requirements: { minMemoryGB: 512 } } });
    });

    test('also for a machine that waits and has never had a host', async () => {
      putHost('a', report(16, 64, 500));
      wants({ minMemoryGB: 512 });
      expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
      const { metadata, ...rest } = api.get(MACHINES, 'm');
      const annotations = { ...metadata.annotations, [ANNOTATION_RETRY]: 'more memory' };
      api.put(MACHINES, { ...rest, metadata: { ...metadata, annotations } });
      expect(await claim()).toMatchObject({ kind: 'claimed' });
    });

    test('when a run is reset, which asks for the same', async () => {
      putHost('a', report(16, 64, 500));
      wants({ minMemoryGB: 512 }, handled(failed, 'Failed'));
      expect(await claim(true)).toMatchObject({ kind: 'claimed' });
    });

    test('not for a word that a finished run has dealt with', async () => {
      putHost('a', report(16, 64, 500));
      const before = { ...failed, metadata: { ...failed.metadata, annotations: { [ANNOTATION_RETRY]: '1' } } };
      const edited = { ...handled(before, 'Failed', { specHash: 'of-before' }), [ANNOTATION_RETRY]: '1' };
      wants({ minMemoryGB: 512 }, edited);
      expect(await claim()).toMatchObject({ kind: 'noMatchingHost' });
    });
  });
});

describe('a free host whose BMC may still get calls of an earlier claim (docs/decisions/0022)', () => {
  const putCalled = (text: string | null) => {
    const annotations = text === null ? {} : { [ANNOTATION_CALLS_UNTIL]: text };
    api.put(HOSTS, freeHost('a', {}, { annotations }));
    api.put(MACHINES, machine());
  };
  const at = (ms: number) => callsUntilPatch(Date.now() + ms)[ANNOTATION_CALLS_UNTIL] ?? '';

  test.each([
    ['a minute from now', () => at(60_000)],
    ['later than anything is in flight', () => at(86_400_000)],
    ['unreadable', () => 'soon'],
  ])('%s: no claim, the message says why', async (_when, text) => {
    putCalled(text());
    expect(await claim()).toMatchObject({
      kind: 'noMatchingHost',
      message: expect.stringContaining(
        '1 whose BMC may still get calls of an earlier claim (beskar7.io/calls-until)',
      ) as unknown,
    });
    expect(claimsSent()).toEqual([]);
  });

  test('a moment ago: it is claimed', async () => {
    putCalled(at(-1));
    expect(await claim()).toMatchObject({ kind: 'claimed' });
  });
});
