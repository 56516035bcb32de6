import { describe, expect, test } from '@jest/globals';
import { staleFiles } from '../../../crds/generate.ts';
import { slimReport, summarize, unmetRequirements } from '../../../model/requirements.ts';
import { matchesSelector, selectorText } from '../../../model/selector.ts';

const GIB = 2 ** 30;

test('the generated CustomResourceDefinitions are fresh', async () => {
  await expect(staleFiles()).resolves.toEqual([]);
});

describe('requirements against a report', () => {
  const report = {
    cpus: { count: 2, cores: 16, threads: 32 },
    memory: { totalBytes: 63.2 * GIB },
    disks: [{ sizeBytes: 500_107_862_016 }, { sizeBytes: 4e12, removable: true }, { sizeBytes: 5e12, readOnly: true }],
    nics: [{ interface: 'eth0' }],
  };

  test('physical cores, memory rounded up to a whole GiB, the largest disk that may be written', () => {
    expect(summarize(report)).toEqual({ cpuCores: 16, memoryBytes: 64 * GIB, largestDiskBytes: 500_107_862_016 });
  });

  test('DIMMs count as they are installed', () => {
    const modules = [{ sizeBytes: 32 * GIB }, { sizeBytes: 32 * GIB }];
    expect(summarize({ ...report, memory: { totalBytes: 60 * GIB, modules } }).memoryBytes).toBe(64 * GIB);
  });

  test('DIMMs that the kernel does not have (mapped out, mirrored) count for nothing, and are told', () => {
    const modules = Array.from({ length: 12 }, () => ({ sizeBytes: 32 * GIB }));
    const found = summarize({ ...report, memory: { totalBytes: 188 * GIB, modules } });
    expect(found).toMatchObject({ memoryBytes: 188 * GIB, installedMemoryBytes: 384 * GIB });
    expect(unmetRequirements({ minMemoryGB: 188 }, found)).toEqual([]);
    expect(unmetRequirements({ minMemoryGB: 256 }, found)).toEqual([
      "minMemoryGB: 256 asked for, 188 found (384 GiB are installed, the server's kernel has 188)",
    ]);
    // An inspector that knows its kernel says so of less.
    const less = { totalBytes: 360 * GIB, installedBytes: 384 * GIB, modules };
    expect(summarize({ ...report, memory: less }).memoryBytes).toBe(360 * GIB);
    expect(summarize(slimReport({ memory: less })).memoryBytes).toBe(360 * GIB);
    expect(summarize({ memory: { modules } }).memoryBytes).toBe(384 * GIB);
  });

  test('what a watch cache keeps gives the same summary', () => {
    expect(summarize(slimReport(report))).toEqual(summarize(report));
    expect(slimReport(report)).not.toHaveProperty('nics');
    expect(slimReport({})).toEqual({});
  });

  test.each([
    [undefined, []],
    [{ minCPUCores: 16, minMemoryGB: 64, minDiskGB: 500 }, []],
    [{ minCPUCores: 17 }, ['minCPUCores: 17 asked for, 16 found']],
    [{ minMemoryGB: 65 }, ['minMemoryGB: 65 asked for, 64 found']],
    [{ minDiskGB: 501 }, ['minDiskGB: 501 asked for, the largest disk has 500.1']],
  ])('%j', (requirements, unmet) => {
    expect(unmetRequirements(requirements, summarize(report))).toEqual(unmet);
  });

  test('nothing found meets nothing', () => {
    expect(unmetRequirements({ minCPUCores: 1, minMemoryGB: 1, minDiskGB: 1 }, summarize({}))).toHaveLength(3);
  });
});

describe('label selectors', () => {
  const labels = { zone: 'a', rack: '1' };
  test.each([
    [undefined, true, 'any host'],
    [{ matchLabels: { zone: 'a' } }, true, 'zone=a'],
    [{ matchLabels: { zone: 'b' } }, false, 'zone=b'],
    [{ matchExpressions: [{ key: 'rack', operator: 'In' as const, values: ['1', '2'] }] }, true, 'rack in (1,2)'],
    [{ matchExpressions: [{ key: 'rack', operator: 'NotIn' as const, values: ['1'] }] }, false, 'rack notin (1)'],
    [{ matchExpressions: [{ key: 'gpu', operator: 'Exists' as const }] }, false, 'gpu'],
    [{ matchExpressions: [{ key: 'gpu', operator: 'DoesNotExist' as const }] }, true, '!gpu'],
  ])('%j', (selector, fits, text) => {
    expect(matchesSelector(selector, labels)).toBe(fits);
    expect(selectorText(selector)).toBe(text);
  });
});
