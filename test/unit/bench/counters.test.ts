import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseRequestTotals, requestsBetween } from '../../../bench/apiServerMetrics.ts';
import { countAuditLog } from '../../../bench/auditLog.ts';
import { parseCpuSeconds, parsePeakMemoryMiB, readProcessUsage } from '../../../bench/processUsage.ts';

const at = '2026-01-01T00:00:05.000000Z';
const atMs = Date.parse(at);

function event(fields: Record<string, unknown>): string {
  return JSON.stringify({
    kind: 'Event',
    stage: 'ResponseComplete',
    userAgent: 'beskar7/0.1.0',
    requestReceivedTimestamp: at,
    responseStatus: { code: 200 },
    ...fields,
  });
}

const host = { resource: 'physicalhosts', namespace: 'default', name: 'h' };

describe('the audit log', () => {
  test('requests of one user agent in the window, watches apart, each once', async () => {
    const lines = [
      event({ auditID: '1', verb: 'get', objectRef: host }),
      event({ auditID: '2', verb: 'patch', objectRef: { ...host, subresource: 'status' } }),
      event({ auditID: '2', verb: 'patch', objectRef: { ...host, subresource: 'status' } }),
      event({ auditID: '3', verb: 'patch', objectRef: host, responseStatus: { code: 409 } }),
      event({ auditID: '4', verb: 'watch', objectRef: host, stage: 'ResponseStarted' }),
      event({ auditID: '4', verb: 'watch', objectRef: host }),
      event({ auditID: '5', verb: 'get', requestURI: '/readyz?verbose' }),
      event({ auditID: '6', verb: 'get', objectRef: host, stage: 'RequestReceived' }),
      event({ auditID: '7', verb: 'get', objectRef: host, userAgent: 'beskar7-bench' }),
      event({ auditID: '8', verb: 'get', objectRef: host, userAgent: 'kubectl', note: 'beskar7/' }),
      event({ auditID: '9', verb: 'get', objectRef: host, requestReceivedTimestamp: '2026-01-01T00:00:04Z' }),
      event({ auditID: '10', verb: 'get', objectRef: host, requestReceivedTimestamp: '2026-01-01T00:00:07Z' }),
      '{"userAgent":"beskar7/0.1.0","auditID":"11","verb":"ge',
    ];
    const folder = await mkdtemp(join(tmpdir(), 'beskar7-audit-'));
    try {
      const path = join(folder, 'audit.log');
      await writeFile(path, lines.join('\n'));
      const window = { userAgentPrefix: 'beskar7/', fromMs: atMs - 500, toMs: atMs + 500 };
      const counts = await countAuditLog(path, window);
      expect(counts).toMatchObject({ requests: 4, watches: 1, conflicts: 1 });
      expect(Object.fromEntries(counts.byVerb)).toEqual({ get: 2, patch: 2 });
      expect(Object.fromEntries(counts.byCall)).toEqual({
        'get physicalhosts': 1,
        'patch physicalhosts/status': 1,
        'patch physicalhosts': 1,
        'get /readyz': 1,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test("the API server's totals are summed by verb, and the difference is what was asked in between", () => {
  const before = parseRequestTotals('apiserver_request_total{code="200",verb="GET"} 5\nother{verb="GET"} 9\n');
  const after = parseRequestTotals(
    [
      '# TYPE apiserver_request_total counter',
      'apiserver_request_total{code="200",resource="a",verb="GET"} 6',
      'apiserver_request_total{code="404",resource="b",verb="GET"} 1.2e+01',
      'apiserver_request_total{code="200",verb="PATCH",dry_run=""} 3',
      'apiserver_request_total{code="200",verb="WATCH"} 0',
    ].join('\n'),
  );
  expect(Object.fromEntries(requestsBetween(before, after))).toEqual({ GET: 13, PATCH: 3 });
});

describe('/proc', () => {
  test('CPU time of a process whose name has spaces and brackets', () => {
    const stat = '12 (a (b) c) S 1 12 12 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 100 1000 20';
    expect(parseCpuSeconds(stat)).toBe(3);
  });

  test('peak memory', () => {
    expect(parsePeakMemoryMiB('Name:\tnode\nVmPeak:\t 99 kB\nVmHWM:\t  2048 kB\n')).toBe(2);
    expect(parsePeakMemoryMiB('Name:\tkthread\n')).toBeNaN();
  });

  test('a process that is gone is unknown, not an error', async () => {
    await expect(readProcessUsage(2 ** 30)).resolves.toEqual({ cpuSeconds: Number.NaN, peakMemoryMiB: Number.NaN });
  });
});
