import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeClient } from '../kube/client.ts';
import { HOSTS, MACHINES } from '../kube/resource.ts';
import { beskar7Ports, startBeskar7 } from './beskar7.ts';
import type { MeasuredChild } from './childProcess.ts';
import { startEmbedded, type EmbeddedControlPlane } from './embedded.ts';
import { HistoryReader } from './history.ts';
import { LiveList } from './liveList.ts';
import { measure } from './measure.ts';
import { NAMESPACE } from './objects.ts';
import type { BenchOptions } from './options.ts';
import { isClean as isCleanResult, type BenchRun } from './result.ts';
import { Simulator } from './simulator.ts';
import { ApiServerMetrics, loadKubeConfig } from './world.ts';

const ROOT = join(import.meta.dirname, '..');
const BMC = { username: 'admin', password: 'bench-password' };

type Undo = () => Promise<unknown>;

/** One run from nothing to nothing: whatever happens, every process that it started has ended when this settles. */
export async function runOnce(
  options: BenchOptions,
  context: { signal: AbortSignal; say: (line: string) => void },
): Promise<BenchRun> {
  const failed = new AbortController();
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([context.signal, failed.signal, timeout]);
  const folder = await mkdtemp(join(tmpdir(), 'beskar7-bench-'));
  const undo: Undo[] = [];
  const onDeath = (error: Error) => failed.abort(error);
  const watchOver = (child: MeasuredChild) => {
    undo.push(() => child.stop());
    child.died.catch(onDeath);
  };
  let isClean = false;
  try {
    const run = await runIn(folder, { options, signal, say: context.say, undo, watchOver, onDeath });
    isClean = isCleanResult(run.result);
    return run;
  } catch (error) {
    isClean = context.signal.aborted;
    if (timeout.aborted) throw new Error(`the run did not end within ${options.timeoutMs / 1000} s (--timeout)`);
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    failed.abort(new Error('the run is over'));
    for (const step of undo.reverse())
      await step().catch((error: unknown) => context.say(`clean-up: ${String(error)}`));
    await putLogsAway(folder, { ...options, isClean, say: context.say });
  }
}

interface Running {
  readonly options: BenchOptions;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Last in, first out. */
  readonly undo: Undo[];
  readonly watchOver: (child: MeasuredChild) => void;
  /** Ends the run because a part of it ended by itself. */
  readonly onDeath: (error: Error) => void;
}

async function runIn(folder: string, running: Running): Promise<BenchRun> {
  const { options, signal, say, undo } = running;
  say('starting an embedded control plane');
  const controlPlane = await startEmbedded(folder, running.onDeath);
  undo.push(() => controlPlane.stop());
  signal.throwIfAborted();

  say(`starting Beskar7 and a fleet of ${options.machines} servers`);
  const { beskar7, simulator } = await startProcesses(folder, controlPlane, running);
  const config = await loadKubeConfig(controlPlane.adminKubeconfig);
  const kube = KubeClient.fromConfig(config, { userAgent: 'beskar7-bench' });
  undo.push(() => kube.close());
  const apiServer = new ApiServerMetrics(config);
  undo.push(() => apiServer.close());
  const history = await HistoryReader.connect(controlPlane.temporalAddress, controlPlane.temporalNamespace);
  undo.push(() => history.close());
  const hosts = new LiveList(kube, HOSTS, NAMESPACE);
  const machines = new LiveList(kube, MACHINES, NAMESPACE);
  undo.push(
    () => hosts.stop(),
    () => machines.stop(),
  );
  await Promise.all([hosts.start(), machines.start()]);
  const pids = { ...controlPlane.pids, beskar7: beskar7.pid, simulator: simulator.process.pid };
  const { auditLogPath } = controlPlane;
  const world = { options, kube, apiServer, hosts, machines, simulator, history, auditLogPath, pids, signal, say };
  return measure(world, BMC);
}

async function startProcesses(folder: string, controlPlane: EmbeddedControlPlane, running: Running) {
  const { options, signal, watchOver } = running;
  const ports = await beskar7Ports();
  const simulator = await Simulator.start(
    {
      root: ROOT,
      hosts: options.machines,
      latency: options.latency,
      bootTime: options.bootTime,
      powerDelay: options.powerDelay,
      profile: options.profile,
      bootUrl: `http://127.0.0.1:${ports.boot}/api/v1/boot?mac=\${netX/mac}`,
      ...BMC,
      logFile: join(folder, 'simulator.log'),
    },
    signal,
  );
  watchOver(simulator.process);
  const beskar7 = await startBeskar7(
    {
      root: ROOT,
      kubeconfig: controlPlane.beskar7Kubeconfig,
      temporalAddress: controlPlane.temporalAddress,
      temporalNamespace: controlPlane.temporalNamespace,
      ports,
      logFile: join(folder, 'beskar7.log'),
      cpuProfile: options.cpuProfile,
      flags: options.beskar7Flags,
      nodeFlags: options.nodeFlags,
    },
    signal,
  );
  watchOver(beskar7);
  return { beskar7, simulator };
}

/** Logs are of use when they were asked for, or when something was wrong. */
async function putLogsAway(
  folder: string,
  how: { keepLogs: string | undefined; isClean: boolean; say: (line: string) => void },
): Promise<void> {
  const target = how.keepLogs;
  if (target !== undefined) {
    await mkdir(target, { recursive: true });
    for (const name of ['beskar7.log', 'simulator.log', 'audit.log']) {
      await cp(join(folder, name), join(target, name), { force: true }).catch(() => undefined);
    }
  }
  if (how.isClean || target !== undefined) await rm(folder, { recursive: true, force: true });
  else how.say(`the logs of this run are in ${folder}`);
}
