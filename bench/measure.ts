import { requestsBetween } from './apiServerMetrics.ts';
import { countAuditLog } from './auditLog.ts';
import { ClaimLedger } from './claimLedger.ts';
import { enrollHosts } from './enrollStage.ts';
import { provisionMachines, type Provisioning } from './provisionStage.ts';
import { releaseHosts, type Release } from './releaseStage.ts';
import { perComponent, perMachine, type BenchRun } from './result.ts';
import { distribution, mean, round } from './statistics.ts';
import { takeSnapshot, type Snapshot, type World } from './world.ts';

const BESKAR7_USER_AGENT = 'beskar7/';
/** How long the provision runs may take to close after the last machine is Provisioned. */
const CLOSE_MS = 30_000;

/** What was measured, before it is put into words. */
interface Measured {
  readonly enrollSeconds: number;
  readonly provisioning: Provisioning;
  readonly release: Release;
  readonly historyLengths: readonly number[];
  /** At the start, before and after the provisioning window, and at the end. */
  readonly snapshots: {
    readonly start: Snapshot;
    readonly before: Snapshot;
    readonly after: Snapshot;
    readonly end: Snapshot;
  };
}

/** The three stages, one after the other, with all counters read in between. */
export async function measure(world: World, bmc: { username: string; password: string }): Promise<BenchRun> {
  const { options, say } = world;
  const ledger = new ClaimLedger();
  world.hosts.onChange((name, host) => ledger.observe(name, host));

  say(`enrolling ${options.machines} hosts`);
  const start = await takeSnapshot(world);
  const enrollSeconds = await enrollHosts(world, bmc);
  say(`all hosts are enrolled after ${round(enrollSeconds, 1)} s; provisioning`);

  for (const { name } of (await world.simulator.hosts()).slice(0, options.hanging)) await world.simulator.hang(name);
  const before = await takeSnapshot(world);
  const provisioning = await provisionMachines(world);
  const machines = [...world.machines.objects.values()]
    .filter(({ status }) => status?.phase === 'Provisioned')
    .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name }));
  const bounds = { timeoutMs: provisioning.notReady === 0 ? CLOSE_MS : 0, signal: world.signal };
  const historyLengths = await world.history.provisionHistoryLengths(machines, bounds);
  const after = await takeSnapshot(world);
  say(
    `${provisioning.readySeconds.length} machines are Provisioned after ${round(provisioning.seconds, 1)} s; releasing`,
  );

  if (options.hanging > 0) await world.simulator.heal();
  const release = await releaseHosts(world);
  const end = await takeSnapshot(world);
  say(`all is released after ${round(release.seconds, 1)} s`);
  const snapshots = { start, before, after, end };
  return summarize(world, ledger, { enrollSeconds, provisioning, release, historyLengths, snapshots });
}

async function summarize(world: World, ledger: ClaimLedger, measured: Measured): Promise<BenchRun> {
  const { options } = world;
  const { provisioning, release, historyLengths } = measured;
  const { start, before, after, end } = measured.snapshots;
  const audit = await countAuditLog(world.auditLogPath, {
    userAgentPrefix: BESKAR7_USER_AGENT,
    fromMs: before.atMs,
    toMs: after.atMs,
  });
  const each = (count: number) => round(count / options.machines, 2);
  const interruptions = world.hosts.interruptions;
  return {
    result: {
      machinesPerMinute: round((provisioning.readySeconds.length / provisioning.seconds) * 60, 1),
      enrollSeconds: round(measured.enrollSeconds, 2),
      releaseSeconds: round(release.seconds, 2),
      readySeconds: distribution(provisioning.readySeconds),
      perMachine: {
        kubernetesRequests: each(audit.requests),
        redfishRequests: each(after.fleet.requests - before.fleet.requests),
        bmcConnections: each(after.fleet.connections - before.fleet.connections),
        historyEvents: round(mean(historyLengths), 1),
      },
      cpuSeconds: perComponent((name) => end.usage[name].cpuSeconds - start.usage[name].cpuSeconds),
      peakMemoryMiB: perComponent((name) => end.usage[name].peakMemoryMiB, 1),
      doubleClaims: ledger.findings.length,
      leaks: release.leaks,
      notReady: provisioning.notReady,
    },
    details: {
      machines: options.machines,
      bmcLatency: options.latency,
      bootTime: options.bootTime,
      provisionSeconds: round(provisioning.seconds, 2),
      kubernetesRequestsByCall: perMachine(audit.byCall, options.machines),
      kubernetesRequestsByVerb: perMachine(audit.byVerb, options.machines),
      watches: audit.watches,
      conflicts: audit.conflicts,
      apiServerRequestsByVerb: perMachine(requestsBetween(before.apiServer, after.apiServer), options.machines),
      historyEventsMax: Math.max(0, ...historyLengths),
      provisionCpuSeconds: perComponent((name) => after.usage[name].cpuSeconds - before.usage[name].cpuSeconds),
      findings: [
        ...ledger.findings,
        ...provisioning.findings,
        ...release.findings,
        ...(interruptions > 0
          ? [`the watch of the hosts broke ${interruptions} times: double claims may be missed`]
          : []),
      ],
    },
  };
}
