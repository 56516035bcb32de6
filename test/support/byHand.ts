import { claimOf } from '../../model/claim.ts';
import { architectureReport } from '../../simulator/hardware.ts';
import { call, tokenOf } from './callback.ts';
import type { World } from './world.ts';

const POLL_MS = 100;
const BOUND_MS = 30_000;

/**
 * Sends the report of a server that has the fault `neverReports`, as its inspection image would: so a machine stays
 * inspected for exactly as long as a test wants, however slow the machine is on which it runs. Gives the status code.
 */
export async function reportByHand(world: World, host: string, base?: string): Promise<number> {
  const report = architectureReport(world.serverOf(host).server.hardware);
  return call(world, 'inspection', host, await tokenNow(world, host), report, base);
}

/**
 * Fetches the bootstrap data and says that the server is provisioned, as soon as each is allowed. The report was sent
 * before.
 */
export async function handOverByHand(world: World, host: string): Promise<void> {
  const token = await tokenNow(world, host);
  await until(200, () => call(world, 'bootstrap', host, token));
  await until(202, () => call(world, 'provisioned', host, token));
}

async function tokenNow(world: World, host: string): Promise<string> {
  const object = await world.host(host);
  return tokenOf(world, host, (object && claimOf(object)?.id) ?? '');
}

async function until(wanted: number, ask: () => Promise<number>): Promise<void> {
  const end = Date.now() + BOUND_MS;
  for (;;) {
    const got = await ask();
    if (got === wanted) return;
    if (Date.now() > end) throw new Error(`not within ${BOUND_MS / 1000} s: ${wanted}; the last answer was ${got}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
