import type { Logger } from 'pino';
import type { EventRecorder } from '../kube/events.ts';
import type { KubeClient } from '../kube/client.ts';
import type { MonitorSettings } from '../contracts/names.ts';
import { ClusterWatcher } from './clusterWatcher.ts';
import { HostWatcher } from './hostWatcher.ts';
import type { Informers } from './informers.ts';
import { MachineWatcher } from './machineWatcher.ts';
import { WATCHER_TIMING, type WatcherTiming } from './watcherDeps.ts';
import { MonitorKeeper } from './monitorKeeper.ts';
import type { Starter } from './starter.ts';
import { TemplateWatcher } from './templateWatcher.ts';
import { Waker } from './waker.ts';

export { duplicateAmong, duplicateIn, neighbours } from './duplicates.ts';
export { createInformers, kindKey, machineOn, mayClaim, type Informers } from './informers.ts';
export type { WatchObserver } from '../kube/informerOptions.ts';
export { INTERRUPTIONS } from '../kube/watchHealth.ts';
export { createStarter } from './temporalStarter.ts';
export type { Starter } from './starter.ts';

/** What the role `controllers` works with. */
export interface ControllerDeps {
  readonly kube: KubeClient;
  readonly starter: Starter;
  readonly logger: Logger;
  readonly recorder: EventRecorder;
  /** Started and synced by the caller, who also stops them (after the controllers). */
  readonly informers: Informers;
  readonly timing?: Partial<WatcherTiming>;
  /** How the hosts of each pool of workers are monitored. */
  readonly monitor: MonitorSettings;
}

/**
 * Starts all watchers and the waker. They start, wake and tell workflows; they never call a BMC or wait for a workflow.
 */
export function startControllers(deps: ControllerDeps): { stop(): Promise<void> } {
  const { kube, informers, starter, recorder, timing = {} } = deps;
  const logger = deps.logger.child({ role: 'controllers' });
  const machines = new MachineWatcher({ kube, informers, starter, logger, recorder, timing });
  const hosts = new HostWatcher({ kube, informers, starter, logger, recorder, timing });
  const clusters = new ClusterWatcher({ kube, informers, logger });
  const templates = new TemplateWatcher({ kube, informers, logger });
  const { resyncMs } = { ...WATCHER_TIMING, ...timing };
  const monitors = new MonitorKeeper({ informers, starter, logger, settings: deps.monitor, resyncMs });
  const waker = new Waker({ informers, starter, logger, onLost: (machine) => machines.lost(machine) });
  const all = [machines, hosts, clusters, templates, monitors, waker];
  for (const watcher of all) watcher.start();
  return {
    stop: async () => void (await Promise.all(all.map((watcher) => watcher.stop()))),
  };
}
