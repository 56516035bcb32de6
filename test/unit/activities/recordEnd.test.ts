import { describe, expect, test } from '@jest/globals';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { recordEnd } from '../../../activities/claim/recordEnd.ts';
import type { Beskar7Machine, Beskar7MachineStatus } from '../../../crds/beskar7Machine.ts';
import { ANNOTATION_RETRY } from '../../../crds/names.ts';
import { handled, machine, OURS } from '../controllers/builders.ts';

const plain = machine();

/** What is written to the status of a machine by a run that finds nothing to do. */
async function written(annotations: Record<string, string>, status: Beskar7MachineStatus): Promise<unknown[]> {
  const found = machine({ metadata: { ...OURS, annotations }, status });
  const applied: Beskar7Machine[] = [];
  const kube = {
    get: () => Promise.resolve(found),
    applyStatus: (_resource: unknown, object: Beskar7Machine) => {
      applied.push(object);
      return Promise.resolve(object);
    },
  };
  await recordEnd({ kube } as unknown as Dependencies, {
    machine: { namespace: 'ns', name: 'm', uid: 'm-uid' },
    workflow: { id: 'provision/ns/m', runID: 'run-2' },
  });
  return applied.map(({ metadata, status: { phase, conditions, workflow } = {} }) => ({
    version: metadata.resourceVersion,
    phase,
    reason: conditions?.find(({ type }) => type === 'Ready')?.reason,
    run: workflow?.runID,
  }));
}

const inspecting: Beskar7MachineStatus = { phase: 'Inspecting', workflow: { id: 'provision/ns/m', runID: 'run-1' } };

describe('a run that was terminated between its last two writes', () => {
  test.each<[string, Record<string, string>, string]>([
    ['failed', handled(plain, 'Failed', { reason: 'BootFailed' }), 'BootFailed'],
    ['failed, by an earlier version', handled(plain, 'Failed'), 'UnexpectedError'],
    ['was cancelled', handled(plain, 'Cancelled'), 'Cancelled'],
  ])('it %s: the next one says so', async (_how, annotations, reason) => {
    expect(await written(annotations, inspecting)).toEqual([{ version: '1', phase: 'Failed', reason, run: 'run-2' }]);
  });

  test.each<[string, Record<string, string>, Beskar7MachineStatus]>([
    ['has said so itself', handled(plain, 'Failed'), { ...inspecting, phase: 'Failed' }],
    ['has provisioned', handled(plain, 'Provisioned'), { ...inspecting, phase: 'Provisioning' }],
    ['something new was asked for', { ...handled(plain, 'Failed'), [ANNOTATION_RETRY]: '1' }, inspecting],
    ['has not ended', {}, inspecting],
  ])('nothing is written: %s', async (_why, annotations, status) => {
    expect(await written(annotations, status)).toEqual([]);
  });
});
