import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import type { Caches, Dependencies } from '../../activities/dependencies.ts';
import { candidates, noHostMessage } from '../../activities/claim/freeHosts.ts';
import { HostReservations } from '../../activities/claim/hostReservations.ts';
import type { Beskar7Machine, LabelSelector } from '../../crds/beskar7Machine.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { Matching } from '../../model/waiters.ts';
import { inTurns } from '../../kube/turns.ts';

/**
 * `npm run bench:matching`: how long finding hosts for waiting machines holds the event loop. Ends with 1 above the
 * limit.
 */
const HOSTS = 10_000;
const WAITERS = 5_000;
/** Claims that look for a host at the same time, as activities of one worker do. */
const CLAIMS = 50;
const LIMIT_MS = 100;

const SCENARIOS: Readonly<Record<string, (n: number) => LabelSelector | undefined>> = {
  'all ask for any host': () => undefined,
  'each asks for a host of its own': (n) => ({ matchLabels: { 'kubernetes.io/hostname': `host-${n}` } }),
  'each asks for any host but one': (n) => ({
    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: [`host-${n}`] }],
  }),
  'each asks for one of two, in a chain': (n) => ({
    matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [`host-${n}`, `host-${n + 1}`] }],
  }),
  'each asks for what no host has': (n) => ({ matchLabels: { 'kubernetes.io/hostname': `none-${n}` } }),
};

const common = { apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1' } as const;
const hosts = Array.from({ length: HOSTS }, (_, n): PhysicalHost => ({
  ...common,
  kind: 'PhysicalHost',
  metadata: {
    namespace: 'ns',
    name: `host-${n}`,
    uid: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    resourceVersion: '1',
    labels: { 'kubernetes.io/hostname': `host-${n}`, rack: `rack-${n % 400}`, vendor: `vendor-${n % 5}`, gpu: 'none' },
  },
  spec: { redfishConnection: { address: `https://10.0.${n >> 8}.${n & 255}`, credentialsSecretRef: 'bmc' } },
  status: { state: 'Available' },
}));

function machinesFor(selectorOf: (n: number) => LabelSelector | undefined): Beskar7Machine[] {
  return Array.from({ length: WAITERS }, (_, n) => {
    const hostSelector = selectorOf(n);
    const creationTimestamp = new Date(1e12 + n * 1000).toISOString();
    return {
      ...common,
      kind: 'Beskar7Machine',
      metadata: { namespace: 'ns', name: `m-${n}`, uid: `m-${n}-uid`, resourceVersion: '1', creationTimestamp },
      spec: { targetOSImage: 'http://images/os.tar.gz', ...(hostSelector === undefined ? {} : { hostSelector }) },
    };
  });
}

/** The longest that nothing else had its turn, and how long all took, in ms. */
async function measured(work: () => Promise<unknown>): Promise<{ holdMs: number; totalMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  await work();
  // A turn more, so that the last hold is seen.
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return { holdMs: delay.max / 1e6, totalMs: performance.now() - startedAt };
}

let isTooLong = false;
process.stdout.write(
  `${HOSTS} free hosts, ${WAITERS} waiting machines; longest hold of the event loop (wanted: ${LIMIT_MS} ms)\n`,
);
for (const [name, selectorOf] of Object.entries(SCENARIOS)) {
  const machines = machinesFor(selectorOf);
  const caches = {
    availableHosts: () => ({ hosts: [...hosts], lookedAt: HOSTS }),
    hosts: () => [...hosts],
    waitingMachines: () => [...machines],
    isNamed: () => false,
  } as unknown as Caches;
  const deps = { caches, reservations: new HostReservations() } as unknown as Dependencies;
  const waiters = machines.map((machine) => ({ machine, failureDomain: undefined }));
  const woken = await measured(() => inTurns(Matching.steps(hosts, waiters)));
  // The youngest have to look at what all others wait for.
  const claimed = await measured(() =>
    Promise.all(
      machines.slice(-CLAIMS).map(async (machine) => {
        const demand = {
          selector: machine.spec.hostSelector,
          requirements: undefined,
          failureDomain: undefined,
          tried: [],
        };
        const found = await candidates(deps, machine, demand);
        if (found.length === 0) await noHostMessage(deps, machine, demand);
      }),
    ),
  );
  const texts = [woken, claimed].map(({ holdMs, totalMs }) => `${holdMs.toFixed(0)} ms of ${totalMs.toFixed(0)} ms`);
  process.stdout.write(`${name}: waking ${texts[0]}; ${CLAIMS} claims at once ${texts[1]}\n`);
  isTooLong ||= woken.holdMs > LIMIT_MS || claimed.holdMs > LIMIT_MS;
}
process.exitCode = isTooLong ? 1 : 0;
