import { RedfishClient, RedfishError, type RedfishConnectionOptions } from '../../../../redfish/index.ts';
import { MACS, SERIAL, UUID } from './model.ts';
import { PASSWORD, STEPS, USER, type Habit, type RawBmc, type Step } from './rawBmc.ts';

/** What came of each step: `ok`, or why not. */
export type Outcome = Record<Step, string>;

const CALL_TIMEOUT_MS = 15_000;
const fenced = { fence: () => Promise.resolve(() => undefined), userAgent: 'beskar7 (habits)' };

/** Reads a server, sets network boot, switches it on and off, with the client of Beskar7; logs out. */
export async function drive(bmc: RawBmc, habit: Habit): Promise<Outcome> {
  const client = new RedfishClient({
    address: bmc.address,
    username: USER,
    password: PASSWORD,
    callTimeoutMs: CALL_TIMEOUT_MS,
    ...(habit.options as Partial<RedfishConnectionOptions> | undefined),
  });
  const steps: Record<Step, () => Promise<unknown>> = {
    read: async () => {
      const { serialNumber, uuid, powerState } = await client.getSystemInfo();
      const macs = (await client.getNetworkAddresses()).map(({ macAddress }) => macAddress);
      return [serialNumber, uuid, powerState, ...macs].join(' ');
    },
    pxe: () => client.setBootSourcePXE(fenced),
    on: () => client.setPowerState('On', fenced),
    off: () => client.setPowerState('Off', fenced),
  };
  const outcome: Partial<Outcome> = {};
  for (const step of STEPS) outcome[step] = await steps[step]().then((value) => valueOf(step, value), saying);
  await client.close();
  return seenAt(bmc, outcome as Outcome);
}

/** What a client says that it read, when that is right. */
export const RIGHT = [SERIAL, UUID, 'Off', ...MACS].join(' ');

/** Not what a client says counts, but what the BMC has got. */
export function seenAt({ boot, power, powers }: RawBmc, said: Outcome): Outcome {
  const isDone: Record<Step, boolean> = {
    read: true,
    pxe: boot['BootSourceOverrideTarget'] === 'Pxe',
    on: powers[0] === 'On',
    off: power === 'Off' && (powers.includes('On') || said.on !== 'ok'),
  };
  const of = (step: Step): string => (said[step] === 'ok' && !isDone[step] ? 'said ok, not done' : said[step]);
  return Object.fromEntries(STEPS.map((step) => [step, of(step)])) as Outcome;
}

function valueOf(step: Step, value: unknown): string {
  if (step === 'read') return value === RIGHT ? 'ok' : `read ${String(value)}`;
  return value === false ? 'not sent' : 'ok';
}

function saying(error: unknown): string {
  return error instanceof RedfishError ? error.message : `not a RedfishError: ${String(error)}`;
}
