import { COMPONENTS, type BenchRun } from './result.ts';

type Row = readonly [name: string, value: string];

/** The result of one run for people: a table of two columns, then what was wrong. */
export function formatRun({ result, details }: BenchRun): string {
  const { perMachine, readySeconds } = result;
  const rows: Row[] = [
    ['machines, BMC latency, boot time', `${details.machines}, ${details.bmcLatency}, ${details.bootTime}`],
    ['all hosts enrolled after', seconds(result.enrollSeconds)],
    ['all machines Provisioned after', seconds(details.provisionSeconds)],
    ['machines per minute', number(result.machinesPerMinute)],
    [
      'creation to Provisioned, p50 / p95 / max',
      [readySeconds.p50, readySeconds.p95, readySeconds.max].map(seconds).join(' / '),
    ],
    ['all hosts released after', seconds(result.releaseSeconds)],
    ['Kubernetes requests per machine', number(perMachine.kubernetesRequests)],
    ['  by verb', counts(details.kubernetesRequestsByVerb)],
    ['  by call', counts(details.kubernetesRequestsByCall)],
    ['  watches started, conflicts (total)', `${details.watches}, ${details.conflicts}`],
    ["  API server's own count, everybody", counts(details.apiServerRequestsByVerb)],
    ['Redfish requests per machine', number(perMachine.redfishRequests)],
    ['BMC connections per machine', number(perMachine.bmcConnections)],
    [
      'history events per provision run, mean / max',
      `${number(perMachine.historyEvents)} / ${details.historyEventsMax}`,
    ],
    ...COMPONENTS.map((component): Row => [
      component,
      `CPU ${seconds(result.cpuSeconds[component])} (provisioning ${seconds(details.provisionCpuSeconds[component])}), ` +
        `peak ${number(result.peakMemoryMiB[component])} MiB`,
    ]),
    ['double claims, leaks, not ready', `${result.doubleClaims}, ${result.leaks}, ${result.notReady}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return [...lines, ...details.findings.map((finding) => `! ${finding}`)].join('\n');
}

function seconds(value: number): string {
  return Number.isNaN(value) ? 'unknown' : `${number(value)} s`;
}

function number(value: number): string {
  return Number.isNaN(value) ? 'unknown' : String(Math.round(value * 100) / 100);
}

function counts(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, count]) => `${name} ${number(count)}`)
    .join(', ');
}
