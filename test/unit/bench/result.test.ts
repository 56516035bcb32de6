import { describe, expect, test } from '@jest/globals';
import { isClean, perComponent, perMachine, type BenchRun } from '../../../bench/result.ts';
import { formatRun } from '../../../bench/table.ts';

const run: BenchRun = {
  result: {
    machinesPerMinute: 151.2,
    enrollSeconds: 3,
    releaseSeconds: 9.5,
    readySeconds: { p50: 20, p95: 30, max: 39.5 },
    perMachine: { kubernetesRequests: 24, redfishRequests: 13, bmcConnections: 1, historyEvents: Number.NaN },
    cpuSeconds: perComponent(() => 1.234),
    peakMemoryMiB: perComponent(() => 200),
    doubleClaims: 0,
    leaks: 0,
    notReady: 0,
  },
  details: {
    machines: 100,
    bmcLatency: '20ms',
    bootTime: '1s',
    provisionSeconds: 39.7,
    kubernetesRequestsByCall: { 'get physicalhosts': 10 },
    kubernetesRequestsByVerb: perMachine(
      new Map([
        ['get', 1000],
        ['patch', 1401],
      ]),
      100,
    ),
    watches: 3,
    conflicts: 0,
    apiServerRequestsByVerb: { GET: 10 },
    historyEventsMax: 70,
    provisionCpuSeconds: perComponent(() => 1),
    findings: ['host h, it still has a claim'],
  },
};

describe('the result', () => {
  test('is clean only when all three counts are 0', () => {
    expect(isClean(run.result)).toBe(true);
    for (const key of ['doubleClaims', 'leaks', 'notReady']) expect(isClean({ ...run.result, [key]: 1 })).toBe(false);
  });

  test('has exactly the keys of the contract', () => {
    expect(Object.keys(run.result)).toEqual([
      'machinesPerMinute',
      'enrollSeconds',
      'releaseSeconds',
      'readySeconds',
      'perMachine',
      'cpuSeconds',
      'peakMemoryMiB',
      'doubleClaims',
      'leaks',
      'notReady',
    ]);
  });

  test('reads as a table with what is unknown and what was wrong', () => {
    const table = formatRun(run);
    expect(table).toMatch(/^machines per minute +151\.2$/m);
    expect(table).toMatch(/^ {2}by verb +patch 14\.01, get 10$/m);
    expect(table).toMatch(/^history events per provision run, mean \/ max +unknown \/ 70$/m);
    expect(table).toMatch(/^! host h, it still has a claim$/m);
  });
});
