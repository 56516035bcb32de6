import type { PlaneName } from './planes.ts';

/** How a test file is run by `npm test`. What is not said here has the default of its folder. */
export interface FilePlan {
  /** How many workers it takes: half of one where it mostly waits. `alone`: nothing runs beside it, with the reason in `because`. */
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
  integration: { weight: 1, seconds: 20 },
  e2e: { weight: 1, seconds: 45 },
  vm: {
    weight: 1,
    seconds: 60,
    locks: ['qemu'],
    because: 'an emulated processor keeps a core busy for minutes: two of them would leave nothing for other tests',
  },
  capi: {
    weight: 1,
    seconds: 90,
    locks: ['cluster-api'],
    because:
      'Nodes are one for the whole cluster, and so are the definitions that clusterctl init and the topology test install',
  },
  web: { weight: 1, seconds: 30 },
};

const WEBHOOK = {
  locks: ['conversion webhook'],
  because: 'the definition of Beskar7Cluster, which is one for the whole cluster, names one webhook',
};
/** A control plane and eight processes of its own: beside it only what mostly waits, so that a bug is caught in its time. */
const CHAOS = {
  weight: 1,
  locks: ['chaos'],
  because: 'two worlds of eight processes each would be slower than the bounds in which a bug has to be caught',
};
/** Two of them cost less than one that works all the time. */
const MOSTLY_WAITS = { weight: 0.5 };

/** What differs from that. */
export const FILES: Readonly<Record<string, Partial<FilePlan>>> = {
  'test/integration/conversion.test.ts': WEBHOOK,
  'test/e2e/oneNamespace.test.ts': WEBHOOK,
  'test/e2e/upgrade.test.ts': {
    weight: 'alone',
    seconds: 60,
    because:
      'three processes of the newer version have to start while servers take 20 s to switch off; and it applies the definitions',
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
  'test/vm/provision.test.ts': { seconds: 330 },
  'test/e2e/chaosBugs.test.ts': { ...CHAOS, seconds: 1200 },
  'test/e2e/chaosSeeds.test.ts': { ...CHAOS, seconds: 300 },
  // Until what may be on its way to a BMC has surely come: a minute, several times.
  'test/e2e/orphans.test.ts': { ...MOSTLY_WAITS, seconds: 290 },
  'test/e2e/terminate.test.ts': { ...MOSTLY_WAITS, seconds: 110 },
  // Until a call that no worker takes is given up: a minute.
  'test/e2e/noWorker.test.ts': { ...MOSTLY_WAITS, seconds: 130 },
  // Until a password that was refused is tried again: a minute.
  'test/e2e/enrolment.test.ts': { ...MOSTLY_WAITS, seconds: 90 },
  'test/e2e/restart.test.ts': { seconds: 190 },
  'test/e2e/plugin.test.ts': { seconds: 140 },
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
