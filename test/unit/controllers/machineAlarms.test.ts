import { describe, expect, test } from '@jest/globals';
import { hangsInMs, machineAlarms } from '../../../controllers/machineAlarms.ts';
import { claimedHost, machine } from './builders.ts';
import { fakeInformers } from './fakes.ts';

const T = Date.parse('2026-01-01T00:00:00Z');
const MINUTE_MS = 60_000;
const condition = (type: string, status: 'True' | 'False', reason: string, message = 'why') => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

describe('a provisioned machine whose server is off', () => {
  const alarms = (stage: 'HandedOver' | 'Releasing', status: 'True' | 'False') => {
    const informers = fakeInformers();
    const off = condition('UnexpectedlyOff', status, 'OffInUse', 'The server of host h is off');
    informers.hosts.put(claimedHost(stage, { state: 'Ready', conditions: [off] }));
    return machineAlarms(informers, machine({ status: { phase: 'Provisioned' } }), T);
  };

  test('says so, in the words of its host', () => {
    expect(alarms('HandedOver', 'True')).toEqual([
      { type: 'UnexpectedlyOff', status: 'True', reason: 'OffInUse', message: 'The server of host h is off' },
    ]);
  });

  test('says nothing when it is on again, or is being released', () => {
    expect([alarms('HandedOver', 'False'), alarms('Releasing', 'True')]).toEqual([[], []]);
  });
});

test('a deletion that takes half an hour says that it hangs, and on what', () => {
  const ready = condition('Ready', 'False', 'ReleasingHost', 'Host h is not confirmed off: refused.');
  const deleted = machine({
    metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' },
    status: { conditions: [ready] },
  });
  const at = (minutes: number) => machineAlarms(fakeInformers(), deleted, T + minutes * MINUTE_MS);
  expect(at(29)).toEqual([]);
  expect(at(30)).toEqual([
    {
      type: 'DeletionHangs',
      status: 'True',
      reason: 'ReleasingHost',
      message: 'The machine is being deleted since 2026-01-01T00:00:00Z. Host h is not confirmed off: refused.',
    },
  ]);
  expect(hangsInMs(deleted, T + 10 * MINUTE_MS)).toBe(20 * MINUTE_MS);
  expect(hangsInMs(machine(), T)).toBeUndefined();
});
