import { describe, expect, test } from '@jest/globals';
import { ANNOTATION_DELETE_FOR_MOVE, ANNOTATION_PAUSED, ANNOTATION_UNSCHEDULABLE } from '../../../crds/names.ts';
import { pausedBy, stopOf, type StopReason } from '../../../model/stops.ts';

const marked = (...annotations: string[]) => ({
  metadata: { annotations: Object.fromEntries(annotations.map((name) => [name, ''])) },
});
const DELETED = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
const cluster = (paused: boolean) => ({ metadata: { name: 'c' }, spec: { paused } });
const ALL: readonly StopReason[] = ['Deleting', 'Moving', 'Paused', 'ClusterPaused', 'Unschedulable'];

describe('why nothing may be begun for an object', () => {
  test.each<[StopReason, string, Parameters<typeof stopOf>[0], boolean]>([
    ['Deleting', 'is being deleted', DELETED, false],
    ['Moving', 'is being moved', marked(ANNOTATION_DELETE_FOR_MOVE), false],
    ['Paused', 'is paused', marked(ANNOTATION_PAUSED), false],
    ['ClusterPaused', 'is paused with Cluster c', marked(), true],
    ['Unschedulable', 'is marked unschedulable', marked(ANNOTATION_UNSCHEDULABLE), false],
  ])('%s: it %s', (reason, text, object, paused) => {
    expect(stopOf(object, ALL, cluster(paused))).toEqual({ reason, text });
    // Whoever does not ask for it is not stopped by it.
    expect(
      stopOf(
        object,
        ALL.filter((one) => one !== reason),
        cluster(paused),
      ),
    ).toBeUndefined();
  });

  test('nothing', () => {
    expect(stopOf({ metadata: {} }, ALL, undefined)).toBeUndefined();
    expect(stopOf({ metadata: {} }, ALL, { metadata: { name: 'c' }, spec: {} })).toBeUndefined();
  });

  test('the first that was asked for is told', () => {
    const both = marked(ANNOTATION_PAUSED, ANNOTATION_DELETE_FOR_MOVE);
    expect(stopOf(both, ['Moving', 'Paused'])?.reason).toBe('Moving');
    expect(stopOf(both, ['Paused', 'Moving'])?.reason).toBe('Paused');
  });

  test('an annotation counts whatever its value', () => {
    expect(stopOf({ metadata: { annotations: { [ANNOTATION_PAUSED]: 'false' } } }, ['Paused'])).toBeDefined();
  });
});

test('its condition says what pauses it: its own annotation before its Cluster', () => {
  expect(pausedBy(marked(ANNOTATION_PAUSED), cluster(true))).toContain(`annotation ${ANNOTATION_PAUSED}`);
  expect(pausedBy(marked(), cluster(true))).toBe('Paused with Cluster c (spec.paused)');
  expect(pausedBy(marked(), cluster(false))).toBeUndefined();
});
