import type { PlaneName } from './planes.ts';

/** How a test file is run by `npm test`. What is not said here has the default of its folder. */
export interface FilePlan {
  /**
   * How many cores it keeps busy on average, without its share of the control plane. What the file took when it passed
   * the last time on this machine wins. `alone`: nothing runs beside it, with the reason in `because`.
   */
  readonly weight: number | 'alone';
  /** Files with the same lock do not run at the same time. */
  readonly locks?: readonly string[];
  /** Expected seconds, on two cores of today. A guess only moves it in the order. */
  readonly seconds: number;
  /** Why it runs alone, or not beside the others with its lock. */
  readonly because?: string;
}

/** The control plane that the files of a project use. */
export const PLANE_OF: Readonly<Record<string, PlaneName>> = {
  integration: 'shared',
  e2e: 'shared',
  vm: 'shared',
  capi: 'capi',
};

const DEFAULTS: Readonly<Record<string, FilePlan>> = {
  integration: { weight: 0.8, seconds: 20 },
  e2e: { weight: 0.6, seconds: 30 },
  vm: {
    weight: 0.8,
    seconds: 60,
    locks: ['qemu'],
    because: 'an emulated processor keeps a core busy for minutes: two of them would leave nothing for other tests',
  },
  capi: {
    weight: 0.3,
    seconds: 90,
    locks: ['cluster-api'],
    because:
      'Nodes are one for the whole cluster, and so are the definitions that clusterctl init and the topology test install',
  },
  web: { weight: 0.5, seconds: 30 },
};

/**
 * Projects that one run of Jest goes through, with a worker for each core: how much of a core each worker keeps busy.
 */
export const WHOLE: Readonly<Record<string, Pick<FilePlan, 'seconds'> & { readonly weight: number }>> = {
  unit: { weight: 0.6, seconds: 100 },
  'workflow and replay': { weight: 0.9, seconds: 130 },
};

const WEBHOOK = {
  locks: ['conversion webhook'],
  because: 'the definition of Beskar7Cluster, which is one for the whole cluster, names one webhook',
};
/** A control plane and eight processes of its own. */
const CHAOS = {
  weight: 0.7,
  locks: ['chaos'],
  because: 'two runs of eight processes each would be slower than the bounds by which their checkers judge',
};
/** For timers of the product: what may be on its way to a BMC, a call that no worker takes, a refused password. */
const waits = (seconds: number) => ({ weight: 0.15, seconds });

/** What differs from that. */
export const FILES: Readonly<Record<string, Partial<FilePlan>>> = {
  'test/integration/conversion.test.ts': WEBHOOK,
  'test/e2e/oneNamespace.test.ts': WEBHOOK,
  'test/e2e/upgrade.test.ts': {
    ...WEBHOOK,
    weight: 0.4,
    seconds: 145,
    because: `it applies the definitions, and starts webhooks: ${WEBHOOK.because}`,
  },
  'test/web/tenThousand.test.ts': {
    weight: 'alone',
    because: 'it measures how long tasks of the page take, and fails above 100 ms',
  },
  'test/e2e/latency.test.ts': {
    weight: 'alone',
    because: 'it measures what users are promised: 2 s until the power-off, 5 s until the host is free',
  },
  'test/e2e/hanging.test.ts': {
    weight: 'alone',
    because: '40 machines have to be provisioned before a call that hangs is given up after 60 s',
  },
  'test/vm/provision.test.ts': { seconds: 490 },
  'test/vm/dhcp.test.ts': { seconds: 130 },
  'test/e2e/chaosBugs.test.ts': { ...CHAOS, weight: 1, seconds: 300 },
  'test/e2e/chaosSeeds.test.ts': { ...CHAOS, weight: 0.6, seconds: 400 },
  'test/e2e/orphans.test.ts': waits(440),
  'test/e2e/restart.test.ts': waits(270),
  'test/e2e/terminate.test.ts': waits(150),
  'test/e2e/interrupted.test.ts': waits(140),
  'test/e2e/noWorker.test.ts': waits(130),
  'test/e2e/restore.test.ts': waits(130),
  'test/e2e/enrolment.test.ts': waits(70),
  'test/e2e/deletion.test.ts': { weight: 0.3, seconds: 65 },
  'test/e2e/protection.test.ts': { weight: 0.3, seconds: 65 },
  'test/e2e/plugin.test.ts': { seconds: 65 },
  'test/e2e/adoption.test.ts': { weight: 0.5, seconds: 50 },
  'test/e2e/temporalWiped.test.ts': { weight: 0.5, seconds: 50 },
  'test/e2e/pluginHelp.test.ts': { seconds: 50 },
  'test/capi/node.test.ts': {
    weight: 0.9,
    seconds: 240,
    locks: ['cluster-api', 'qemu'],
    because: 'an emulated processor keeps a core busy for minutes, and the definitions of a cluster are one for all',
  },
  'test/capi/cluster.test.ts': { weight: 0.2, seconds: 110 },
  'test/capi/move.test.ts': { weight: 0.6, seconds: 80 },
};

/** How a test file (relative to the root, with slashes) of a project runs. */
export function planOf(project: string, file: string): FilePlan {
  const preset = DEFAULTS[project] ?? { weight: 1, seconds: 30 };
  return { ...preset, ...FILES[file] };
}

/** Looks at what all others of its control plane have done: runs after them. */
export function isLast(file: string): boolean {
  return /\/last\/[^/]+$/.test(file);
}
