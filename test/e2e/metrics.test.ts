import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { request } from 'undici';
import { parse, stringify } from 'yaml';
import { ALERTS } from '../../tools/monitoring/files.ts';
import { DASHBOARDS } from '../../tools/monitoring/dashboards.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { World } from '../support/world.ts';

// promtool is built the first time.
jest.setTimeout(900_000);

const ROOT = path.join(__dirname, '..', '..');
const world = new World('e2e-metrics', ['--inspection-timeout=3s']);
const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-metrics-'));
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
let promtool = '';
let scrape = '';

/** Names of series, those of histograms among them. */
function seriesOf(text: string): Set<string> {
  return new Set(text.split('\n').flatMap((line) => /^([a-z_][a-z0-9_]*)[{ ]/.exec(line)?.[1] ?? []));
}

interface Rules {
  groups: { name: string; rules: { alert: string; expr: string; annotations: { runbook_url: string } }[] }[];
}
const alerts = parse(readFileSync(path.join(ROOT, ALERTS), 'utf8')) as Rules;
const alertRules = alerts.groups.flatMap(({ rules }) => rules);
/** With Grafana's variables filled in. */
const queries = DASHBOARDS.flatMap(({ title, panels }) =>
  panels.flatMap((panel) =>
    panel.queries.map(({ expr }) => ({
      where: `${title} / ${panel.title}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$namespace', '.*'),
    })),
  ),
);
const namesIn = (expr: string) => expr.match(/\b(beskar7|temporal|nodejs|process)_[a-z0-9_]+/g) ?? [];
const promtoolOn = (file: string, ...words: string[]) =>
  runCommand('sh', ['-c', `exec "$0" ${words.join(' ')} < "$1"`, promtool, file], { timeoutMs: 60_000 });

beforeAll(async () => {
  ({ promtool } = await ensureTools(['promtool']));
  await world.start({ hosts: 3, profile: 'generic' });
  for (const host of ['host-1', 'host-2', 'host-3']) await world.kubectl('label', 'physicalhost', host, `only=${host}`);
  await world.fleet.fault('sim-0002', { neverReports: true });
  await world.addMachine('well-done', on('host-1'));
  await world.addMachine('never-reports', on('host-2'));
  await world.addMachine('waiting', on('nowhere'));
  await world.machineIs('well-done', 'Provisioned');
  await world.machineIs('never-reports', 'Failed');
  await isFreeAndOff(world, 'host-2');
  await world.addHost('no-bmc', 'http://127.0.0.1:1');
  await world.hostIs('no-bmc', 'Error');
  const { body } = await request(world.metricsUrl);
  scrape = await body.text();
});

afterAll(async () => {
  await world.stop();
  rmSync(folder, { recursive: true });
});

describe('a scrape of a Beskar7 that works', () => {
  test('tells what happened', () => {
    const lines = scrape.split('\n');
    expect(lines).toContain('beskar7_provisioning_duration_seconds_count 1');
    expect(lines).toContain('beskar7_provisioning_failures_total{reason="InspectionTimeout"} 1');
    expect(lines).toContain('beskar7_inspection_failures_total{reason="Timeout"} 1');
    expect(lines).toContain('beskar7_machine_waiting{namespace="e2e-metrics"} 1');
    expect(lines).toContain('beskar7_physicalhost_bmc{namespace="e2e-metrics",reason="Reachable"} 3');
    expect(scrape).toMatch(/beskar7_redfish_request_duration_seconds_count\{method="GET",outcome="2xx"\} \d\d/);
  });

  test('names its metrics as Prometheus wants it', async () => {
    const file = path.join(folder, 'scrape');
    // The process metrics of prom-client and the metrics of Temporal's core are named by others.
    writeFileSync(file, ours(scrape));
    expect(await promtoolOn(file, 'check', 'metrics')).toMatchObject({ code: 0, output: '' });
  });

  test('and the check of names can fail', async () => {
    const file = path.join(folder, 'bad');
    writeFileSync(file, '# TYPE beskar7_things_count counter\nbeskar7_things_count 1\n');
    const { code, output } = await promtoolOn(file, 'check', 'metrics');
    expect(code).not.toBe(0);
    expect(output).toMatch(/beskar7_things_count.*help text/);
  });

  test('has no label that names a host or machine', () => {
    expect(ours(scrape)).not.toMatch(/host-1|sim-0001|well-done|never-reports/);
  });

  test('has every metric of docs/observability.md, and none of ours that is not there', () => {
    const page = readFileSync(path.join(ROOT, 'docs', 'observability.md'), 'utf8');
    const told = [...page.matchAll(/^\| `(beskar7_[a-z0-9_]+)` \|/gm)].map(([, name]) => name);
    const types = [...scrape.matchAll(/^# TYPE (beskar7_[a-z0-9_]+) /gm)].map(([, name]) => name);
    expect(told.sort()).toEqual(types.sort());
  });
});

describe('alerts', () => {
  test('fire when they should, and not before', async () => {
    const file = path.join(ROOT, 'deploy/monitoring/alerts.test.yaml');
    const { code, output } = await runCommand(promtool, ['test', 'rules', file], { timeoutMs: 60_000 });
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('SUCCESS') });
  });

  test('each has a test, and a runbook in docs/observability.md', () => {
    const tests = readFileSync(path.join(ROOT, 'deploy/monitoring/alerts.test.yaml'), 'utf8');
    const page = readFileSync(path.join(ROOT, 'docs/observability.md'), 'utf8');
    for (const { alert, annotations } of alertRules) {
      // One time at which it fires.
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`));
      expect(annotations.runbook_url).toBe(`docs/observability.md#${alert.toLowerCase()}`);
      expect(page).toContain(`\n### ${alert}\n`);
    }
  });

  test.each(alertRules)('$alert asks for metrics that are there', ({ expr }) => {
    expect(namesIn(expr).length).toBeGreaterThan(0);
    for (const name of namesIn(expr)) expect(seriesOf(scrape)).toContain(name);
  });
});

describe('dashboards', () => {
  test('Prometheus understands each query', async () => {
    const file = path.join(folder, 'queries.yaml');
    const rules = queries.map(({ expr }, index) => ({ record: `query_${index}`, expr }));
    writeFileSync(file, stringify({ groups: [{ name: 'queries', rules }] }));
    const { code, output } = await runCommand(promtool, ['check', 'rules', file], { timeoutMs: 60_000 });
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining(`${queries.length} rules found`) });
  });

  test.each(queries)('$where asks for metrics that are there', ({ expr }) => {
    expect(namesIn(expr).length).toBeGreaterThan(0);
    for (const name of namesIn(expr)) expect(seriesOf(scrape)).toContain(name);
  });
});

/** Ours alone, with their HELP and TYPE. */
function ours(text: string): string {
  const lines = text.split('\n').filter((line) => /^(# (HELP|TYPE) )?beskar7_/.test(line));
  return `${lines.join('\n')}\n`;
}
