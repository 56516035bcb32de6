import { expect } from '@jest/globals';
import { claimOf } from '../../model/claim.ts';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import type { World } from './world.ts';

/**
 * The ResetTypes that the BMC of a host was sent, less those that it refused, in their order; since a moment of the
 * monotonic clock.
 */
export function resets(world: World, host: string, sinceMs = 0): string[] {
  return world
    .requestsOf(host, sinceMs)
    .filter(({ path, status }) => path.endsWith('/Actions/ComputerSystem.Reset') && status < 300)
    .map(({ body }) => (JSON.parse(body) as { ResetType: string }).ResetType);
}

/** How many requests that change anything a host's BMC was sent, answered or not. */
export function changes(world: World, host: string, sinceMs = 0): number {
  return world.requestsOf(host, sinceMs).filter(({ mutating }) => mutating).length;
}

/**
 * Waits until a host is Available, and requires what rule 3 of the design promises of it: off, no override, no token,
 * no claim.
 */
export async function isFreeAndOff(world: World, name: string, boundMs?: number): Promise<PhysicalHost> {
  const host = await world.hostIs(name, 'Available', boundMs);
  expect(host.spec.consumerRef).toBeUndefined();
  expect(claimOf(host)).toBeUndefined();
  expect(host.status?.bootToken).toBeUndefined();
  const { state, override } = world.serverOf(name).server;
  expect({ host: name, power: state.power, override: override.enabled }).toEqual({
    host: name,
    power: 'Off',
    override: 'Disabled',
  });
  return host;
}
