import { expect, test } from '@jest/globals';
import { ROLES } from '../../../workers/config.ts';
import {
  definitionOf,
  definitionsOf,
  servesRequests,
  usesTemporal,
  watchedKinds,
} from '../../../workers/roles/index.ts';

test('each role is defined under its own name', () => {
  expect(ROLES.map((role) => definitionOf(role).name)).toEqual([...ROLES]);
});

test('what others wait for starts first, what begins work starts last', () => {
  expect(definitionsOf(ROLES).map(({ name, after }) => `${name} after ${after}`)).toEqual([
    'webhook after listening',
    'api after caches',
    'web after temporal',
    'worker after temporal',
    'bmc-worker after temporal',
    'controllers after temporal',
  ]);
});

test('a process that only converts objects watches nothing and needs no Temporal', () => {
  expect([...watchedKinds(['webhook'])]).toEqual([]);
  expect(usesTemporal(['webhook'])).toBe(false);
  expect(usesTemporal(['webhook', 'api'])).toBe(true);
});

test('only what answers requests is ready without Temporal', () => {
  expect(ROLES.filter((role) => servesRequests([role]))).toEqual(['api', 'webhook', 'web']);
});
