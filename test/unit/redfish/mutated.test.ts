import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RedfishClient, RedfishError, type PowerRequest } from '../../../redfish/index.ts';
import { CHANGE_HABITS } from './habits/changeHabits.ts';
import { LOGIN_HABITS } from './habits/loginHabits.ts';
import type { Json } from './habits/model.ts';
import { PASSWORD, RawBmc, RESET, strip, USER, type Habit } from './habits/rawBmc.ts';

/**
 * What BMCs answer, with a field of another type, missing, or in a list: no call crashes or hangs, each error names the
 * BMC, and no power command is sent but the one that was asked for. BESKAR7_FUZZ_RUNS names another number of runs.
 */

const RUNS = Number(process.env['BESKAR7_FUZZ_RUNS'] ?? 40);
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
process.on('unhandledRejection', note);
afterAll(() => void process.off('unhandledRejection', note));

/** One change: where, as a walk over the fields (modulo how many there are), and what stands there afterwards. */
interface Mutation {
  readonly walk: readonly number[];
  readonly by: 'gone' | 'list' | 'object' | 'text' | 'key' | { readonly value: unknown };
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  walk: fc.array(fc.nat(31), { minLength: 1, maxLength: 5 }),
  by: fc.oneof(
    fc.constantFrom('gone' as const, 'list' as const, 'object' as const, 'text' as const, 'key' as const),
    fc.record({
      value: fc.oneof(
        fc.constantFrom(
          null,
          true,
          0,
          -1,
          1e308,
          '',
          ' ',
          '\u0000',
          '__proto__',
          'x'.repeat(3_000),
          '/',
          '//',
          '#',
          '?',
        ),
        fc.constantFrom('http://bmc-internal.example/redfish/v1/Systems/1', 'https://[', '/redfish/v1/Systems/2', '%'),
        fc.constantFrom('On', 'Off', 'PoweringOff', 'Pxe', 'Once', 'Nmi', [], {}, [[]], [null], [{}]),
        fc.jsonValue(),
      ),
    }),
  ),
});

/** Changes a copy in place; what the walk does not reach stays. */
function mutate(root: Json, { walk, by }: Mutation): void {
  let at: Json | unknown[] = root;
  for (const [step, turn] of walk.entries()) {
    const keys = Object.keys(at);
    const key = keys[turn % Math.max(1, keys.length)];
    if (key === undefined) return;
    const holder = at as Json;
    const value = holder[key];
    if (step < walk.length - 1 && typeof value === 'object' && value !== null) {
      at = value as Json;
      continue;
    }
    if (by === 'gone') delete holder[key];
    else if (by === 'list') holder[key] = [value, value];
    else if (by === 'object') holder[key] = { [key]: value };
    else if (by === 'text') holder[key] = JSON.stringify(value);
    else if (by === 'key') {
      delete holder[key];
      holder[key.toLowerCase()] = value;
    } else holder[key] = by.value;
    return;
  }
}

/** One that is put off, refused, or whose credentials are refused, is repeated. */
const MOST_COMMANDS = 8;

const CALLS = ['info', 'nics', 'pxe', 'clear', 'On', 'ForceOff', 'GracefulShutdown', 'Off'] as const;
const MAY_SEND: Readonly<Record<string, readonly string[]>> = {
  On: ['On', 'ForceOn'],
  ForceOff: ['ForceOff'],
  GracefulShutdown: ['GracefulShutdown'],
  Off: ['ForceOff', 'GracefulShutdown'],
};
const fenced = { fence: () => Promise.resolve(() => undefined), userAgent: 'beskar7 (mutated)' };

const calls: Readonly<Record<(typeof CALLS)[number], (client: RedfishClient) => Promise<unknown>>> = {
  info: (client) => client.getSystemInfo(),
  nics: (client) => client.readNetwork({ timeoutMs: 1_000 }),
  pxe: (client) => client.setBootSourcePXE(fenced),
  clear: (client) => client.clearBootOverride(fenced),
  On: (client) => client.setPowerState('On' satisfies PowerRequest, fenced),
  ForceOff: (client) => client.setPowerState('ForceOff', fenced),
  GracefulShutdown: (client) => client.setPowerState('GracefulShutdown', fenced),
  Off: (client) => client.setPowerState('Off', fenced),
};

test(
  `${RUNS} answers that were changed`,
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('/redfish/v1', '/redfish/v1/Systems', '/redfish/v1/Systems/1', 'any'),
        fc.constantFrom(...CHANGE_HABITS, ...LOGIN_HABITS),
        fc.boolean(),
        fc.constantFrom(...CALLS),
        async (mutations, where, base, isOn, call) => {
          const changed = (body: unknown, path: string): unknown => {
            if (typeof body !== 'object' || body === null || Buffer.isBuffer(body)) return body;
            const copy = JSON.parse(JSON.stringify(body)) as Json;
            if (where === 'any' || where === strip(path)) for (const one of mutations) mutate(copy, one);
            return copy;
          };
          const habit: Habit = {
            ...base,
            answer: (ask, it) => {
              const said = base.answer?.(ask, it) ?? it.byTheBook(ask);
              const isShown = said === 'reset' || (ask.method === 'GET' && said.status === 200);
              return isShown ? said : { ...said, body: changed(said.body, ask.path) };
            },
            show: (resource, path, it) => changed(base.show?.(resource, path, it) ?? resource, path),
          };
          const bmc = await new RawBmc(habit).start();
          bmc.power = isOn ? 'On' : 'Off';
          const options = { address: bmc.address, username: USER, password: PASSWORD, callTimeoutMs: 3_000 };
          const client = new RedfishClient(options);
          const error: unknown = await calls[call](client).then(
            () => undefined,
            (failure: unknown) => failure,
          );
          await client.close();
          await bmc.stop();
          if (error !== undefined) {
            expect(error).toBeInstanceOf(RedfishError);
            const { message } = error as RedfishError;
            expect(message).toContain(`127.0.0.1:${bmc.port}`);
            expect(message).not.toMatch(/undefined|\[object|NaN|[\u0000-\u001f]/);
            expect(message.length).toBeLessThan(3_000);
            expect(message).not.toContain(PASSWORD);
          }
          const sent = bmc.seen.filter(({ method }) => method !== 'GET');
          const powers = sent.filter(({ method, body }) => method === 'POST' && !('UserName' in body));
          const patches = sent.filter(({ method }) => method === 'PATCH');
          if (call !== 'pxe' && call !== 'clear') expect(patches).toEqual([]);
          for (const { path, body } of powers) {
            expect(MAY_SEND[call] ?? []).toContain(body['ResetType']);
            expect(path).toMatch(/^\/(?!\/)/);
          }
          expect(powers.filter(({ path }) => path === RESET).length).toBeLessThanOrEqual(MOST_COMMANDS);
          if (call === 'info' || call === 'nics') expect([...powers, ...patches]).toEqual([]);
          expect(unhandled).toEqual([]);
        },
      ),
      { numRuns: RUNS, endOnFailure: RUNS > 100 },
    );
  },
  RUNS * 4_000,
);
