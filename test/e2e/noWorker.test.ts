import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { findCondition } from '../../crds/conditions.ts';
import { ANNOTATION_FORCE_RELEASE } from '../../crds/names.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOST_REASONS } from '../../crds/reasons.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';

// A call waits a minute for a worker before it is told.
jest.setTimeout(400_000);
const BOUND_MS = 180_000;

const world = new World('e2e-no-worker');
const POOL = 'e2e-no-worker-site';

beforeAll(() => world.start({ hosts: 3, profile: 'generic' }));
afterAll(() => world.stop());

function usePool(host: string, pool: string | null): Promise<string> {
  const patch = { spec: { redfishConnection: { workerPool: pool } } };
  return world.kubectl('patch', 'physicalhost', host, '--type=merge', '-p', JSON.stringify(patch));
}

function untilReady(host: string, reason: string): Promise<PhysicalHost> {
  return world.untilHost(
    host,
    `Ready: ${reason}`,
    (seen) => findCondition(seen.status?.conditions, 'Ready')?.reason === reason,
    BOUND_MS,
  );
}

/** A pool without a worker is told on the host, which enrolls when the pool is corrected. */
async function enrolls(): Promise<void> {
  await usePool('host-1', 'nowhere');
  const waiting = await untilReady('host-1', HOST_REASONS.noWorker);
  expect(waiting.status?.state).toBe('Error');
  expect(told(waiting)).toContain('--worker-pool=nowhere');
  await usePool('host-1', null);
  await world.hostIs('host-1', 'Available', BOUND_MS);
}

/** A release whose workers are gone says so, and an operator can force it without them. */
async function isReleased(): Promise<void> {
  const site = await world.startAnother('site', ['--roles=bmc-worker', `--worker-pool=${POOL}`]);
  await usePool('host-2', POOL);
  await world.kubectl('label', 'physicalhost', 'host-2', 'only=host-2');
  await world.addMachine('m', { hostSelector: { matchLabels: { only: 'host-2' } } });
  await world.machineIs('m', 'Provisioned');
  await site.stop();
  await world.kubectl('delete', 'beskar7machine', 'm', '--wait=false');
  const waiting = await untilReady('host-2', HOST_REASONS.releasePending);
  expect(waiting.spec.consumerRef?.name).toBe('m');
  expect(told(waiting)).toContain(`--worker-pool=${POOL}`);
  await world.kubectl('annotate', 'physicalhost', 'host-2', `${ANNOTATION_FORCE_RELEASE}=the site is gone`);
  await world.machineIsGone('m', BOUND_MS);
  const freed = await world.host('host-2');
  expect(freed?.spec.consumerRef).toBeUndefined();
  expect(freed?.metadata.annotations?.[ANNOTATION_FORCE_RELEASE]).toBeUndefined();
}

test('no worker of a pool: enrolment and release say so on the host, and go on without it', async () => {
  await Promise.all([enrolls(), isReleased()]);
});
