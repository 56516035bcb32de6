import { expect, test } from '@jest/globals';
import { defined } from '../../../untrusted/defined.ts';

test('what is undefined is absent, and nothing else', () => {
  const given: { a: string | undefined; b: number; c: string | null; d: boolean; e: string | undefined } = {
    a: undefined,
    b: 0,
    c: null,
    d: false,
    e: '',
  };
  const made: { a?: string; b: number; c: string | null; d: boolean; e?: string } = defined(given);
  expect(Object.entries(made)).toEqual([
    ['b', 0],
    ['c', null],
    ['d', false],
    ['e', ''],
  ]);
});
