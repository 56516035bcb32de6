import { describe, expect, test } from '@jest/globals';
import { askOf, handledOf, isAskUnhandled } from '../../../model/handled.ts';
import { ANNOTATION_HANDLED, ANNOTATION_RETRY } from '../../../crds/names.ts';
import { machine } from '../controllers/builders.ts';

const annotated = (value: unknown) =>
  machine({ metadata: { annotations: { [ANNOTATION_HANDLED]: JSON.stringify(value) } } });
const ask = askOf(machine());

describe('the annotation beskar7.io/handled', () => {
  test('keeps the addresses of a provisioned machine', () => {
    const addresses = [{ type: 'InternalIP', address: '10.0.0.5' }];
    expect(handledOf(annotated({ ...ask, outcome: 'Provisioned', addresses }))).toEqual({
      ...ask,
      outcome: 'Provisioned',
      addresses,
    });
  });

  test('keeps why a run failed, when it is a reason that we know', () => {
    expect(handledOf(annotated({ ...ask, outcome: 'Failed', reason: 'BootFailed' }))?.reason).toBe('BootFailed');
    expect(handledOf(annotated({ ...ask, outcome: 'Failed', reason: 'x\ny' }))).toEqual({ ...ask, outcome: 'Failed' });
  });

  test.each([
    ['none, as earlier versions wrote it', {}, {}],
    ['no list', { addresses: 'x' }, {}],
    ['things that are no address', { addresses: [null, 1, {}, { type: 'InternalIP' }] }, { addresses: [] }],
  ])('addresses: %s', (_name, given, kept) => {
    expect(handledOf(annotated({ ...ask, outcome: 'Provisioned', ...given }))).toEqual({
      ...ask,
      outcome: 'Provisioned',
      ...kept,
    });
  });
});

test('a retry as long as the API server takes it is noted by its hash, and told from another', () => {
  const wanted = (retry: string) => machine({ metadata: { annotations: { [ANNOTATION_RETRY]: retry } } });
  const long = 'x'.repeat(200_000);
  const { retry } = askOf(wanted(long));
  expect(retry).toMatch(/^sha256:[0-9a-f]{64}$/);
  const noted = JSON.stringify({ ...askOf(wanted(long)), outcome: 'Failed' });
  const after = (value: string) =>
    machine({ metadata: { annotations: { [ANNOTATION_RETRY]: value, [ANNOTATION_HANDLED]: noted } } });
  expect(isAskUnhandled(after(long))).toBe(false);
  expect(isAskUnhandled(after(`${long}y`))).toBe(true);
  expect(askOf(wanted('2026-11-30')).retry).toBe('2026-11-30');
});
