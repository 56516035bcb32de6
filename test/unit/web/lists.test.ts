import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SortedRows } from '../../../web/page/src/data/sortedRows.ts';
import { matchingHosts } from '../../../web/page/src/data/filter.ts';
import { timeTicks, ticks } from '../../../web/page/src/charts/scale.ts';
import {
  clockTime,
  coarse,
  diskSize,
  duration,
  linkSpeed,
  memorySize,
  relative,
} from '../../../web/page/src/format.ts';
import { hostRow } from '../../web/fakeFleet.ts';

describe('rows that are kept in order', () => {
  const names = (rows: SortedRows<{ namespace: string; name: string }>) => rows.list().map(({ name }) => name);

  it('puts rack2 before rack10, and a new row into its place', () => {
    const rows = new SortedRows<{ namespace: string; name: string }>();
    for (const name of ['rack10', 'rack2', 'rack1']) rows.set({ namespace: 'a', name });
    expect(names(rows)).toEqual(['rack1', 'rack2', 'rack10']);
    rows.set({ namespace: 'a', name: 'rack3' });
    rows.delete({ namespace: 'a', name: 'rack1' });
    expect(names(rows)).toEqual(['rack2', 'rack3', 'rack10']);
  });

  it('is what a sort of all rows gives, after any changes', () => {
    const change = fc.record({ name: fc.integer({ min: 0, max: 30 }), is: fc.constantFrom('set', 'delete', 'list') });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), fc.integer({ min: 0, max: 150 }), (changes, many) => {
        const rows = new SortedRows<{ namespace: string; name: string; at: number }>();
        const plain = new Map<string, number>();
        for (let at = 0; at < many; at += 1) {
          rows.set({ namespace: 'a', name: `m${at}`, at: -1 });
          plain.set(`m${at}`, -1);
        }
        changes.forEach(({ name, is }, at) => {
          if (is === 'set') {
            rows.set({ namespace: 'a', name: `h${name}`, at });
            plain.set(`h${name}`, at);
          } else if (is === 'delete') {
            rows.delete({ namespace: 'a', name: `h${name}` });
            plain.delete(`h${name}`);
          } else rows.list();
        });
        const wanted = [...plain].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
        expect(rows.list().map(({ name, at }) => [name, at])).toEqual(wanted);
      }),
    );
  });
});

describe('the search of hosts', () => {
  const rows = [0, 1, 2, 3].map((index) => hostRow(index));

  it('wants every word, in any field and any case', () => {
    const found = (text: string) => matchingHosts(rows, text).map(({ name }) => name);
    expect(found('')).toHaveLength(4);
    expect(found('PowerEdge ZONE-A')).toEqual(['rack1-01', 'rack1-04']);
    expect(found('sn100002')).toEqual(['rack1-03']);
    expect(found('52:54:00:00:00:03')).toEqual(['rack1-04']);
    expect(found('default/worker-1')).toEqual(['rack1-02']);
    expect(found('PowerEdge ProLiant')).toEqual([]);
  });
});

describe('figures for a reader', () => {
  it('count memory in powers of two and disks in powers of ten', () => {
    expect([2 ** 30, 1536 * 2 ** 30, 512 * 2 ** 20].map(memorySize)).toEqual(['1 GiB', '1.5 TiB', '512 MiB']);
    expect([480_103_981_056, 3_840_755_982_336].map(diskSize)).toEqual(['480 GB', '3.84 TB']);
    expect([100, 25_000].map(linkSpeed)).toEqual(['100 Mb/s', '25 Gb/s']);
  });

  it('tell lengths of time in two units at most', () => {
    expect([12, 1500, 42_000, 185_000, 7_800_000, 442_800_000].map(duration)).toEqual([
      '12 ms',
      '1.5 s',
      '42 s',
      '3 m 05 s',
      '2 h 10 m',
      '5 d 3 h',
    ]);
    expect([59_000, 60_000, 7_200_000, 200_000_000].map(coarse)).toEqual(['59 s', '1 m', '2 h', '2 d']);
    expect(relative('2026-11-23T12:00:00Z', Date.parse('2026-11-23T12:03:00Z'))).toBe('3 m ago');
    expect(relative('2026-11-23T12:00:00Z', Date.parse('2026-11-23T11:59:48Z'))).toBe('in 12 s');
    expect(clockTime('not a time', 0)).toBe('not a time');
  });

  it('mark charts with round numbers that reach over the largest value', () => {
    expect(ticks(7)).toEqual([0, 2, 4, 6, 8]);
    expect(ticks(0)).toEqual([0, 1]);
    expect(timeTicks(590_000)).toEqual([0, 120_000, 240_000, 360_000, 480_000, 600_000]);
    fc.assert(fc.property(fc.integer({ min: 1, max: 1e6 }), (most) => (ticks(most).at(-1) ?? 0) >= most));
  });
});
