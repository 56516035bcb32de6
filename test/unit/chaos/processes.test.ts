import { expect, test } from '@jest/globals';
import type { Component } from '../../../tools/controlplane/component.ts';
import { metFaults } from '../../chaos/bmcFaults.ts';
import { noteDeath, type RoleProcess, type UnaskedDeath } from '../../chaos/processes.ts';

const processThat = (state: RoleProcess['state']): RoleProcess & { told: UnaskedDeath[] } => {
  const told: UnaskedDeath[] = [];
  return {
    name: 'worker-1',
    role: 'worker',
    component: {} as Component,
    callbackPort: 1,
    bootPort: 2,
    metricsPort: 3,
    state,
    unaskedDeaths: [],
    onUnaskedDeath: (death) => told.push(death),
    told,
  };
};

test.each([
  ['exit code 1', { exitCode: 1 }],
  ['SIGABRT', { signal: 'SIGABRT' }],
])('a process that ran and ended with %s is dead, and somebody is told', (how, expected) => {
  const process = processThat('runs');
  noteDeath(process, how, 'last words');
  expect(process.state).toBe('dead');
  expect(process.unaskedDeaths).toEqual([
    { at: expect.any(Number), during: 'run', lastLine: 'last words', ...expected },
  ]);
  expect(process.told).toEqual(process.unaskedDeaths);
});

test('one that ended while it was starting is noted as that; whoever starts it tries again', () => {
  const process = processThat('dead');
  noteDeath(process, 'exit code 2', '');
  expect([process.unaskedDeaths[0]?.during, process.told]).toEqual(['start', []]);
});

test('one that answered ready and could not start after all is noted as that, and somebody is told', () => {
  const process = processThat('runs');
  noteDeath(process, 'exit code 1', '{"level":"fatal","msg":"fatal error"}');
  expect([process.unaskedDeaths[0]?.during, process.told.length, process.state]).toEqual(['start', 1, 'dead']);
});

test('what was met is told by place and kind', () => {
  const met = new Map([
    ['hang', 3],
    ['powerLost', 2],
    ['password', 1],
    ['neverReports', 1],
  ]);
  expect([...metFaults(met)]).toEqual([
    ['BMC hang', 3],
    ['BMC power command lost', 2],
    ['BMC passwordChange', 1],
    ['server neverReports', 1],
  ]);
});
