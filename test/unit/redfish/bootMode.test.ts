import { afterEach, expect, test } from '@jest/globals';
import {
  allow,
  clientOf,
  extendedError,
  failureOf,
  fakeBmc,
  stopAll,
  SYSTEM,
  type Answer,
  type Seen,
} from './fakeBmc.ts';

afterEach(stopAll);

const PXE = { BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Once' };
const modeOf = (seen: Seen): unknown => (seen.body as { Boot: Record<string, unknown> }).Boot['BootSourceOverrideMode'];
const offered = (...modes: string[]) => ({ 'BootSourceOverrideMode@Redfish.AllowableValues': modes });
const named: Answer = {
  status: 400,
  body: extendedError('Base.1.8.PropertyNotWritable', 'no', ['BootSourceOverrideMode']),
};
const unnamed: Answer = { status: 400, body: extendedError('Base.1.8.GeneralError', 'A general error has occurred.') };

/** The modes that were sent with a network boot of a server that shows `boot`. */
async function sent(
  bootMode: 'UEFI' | 'Legacy' | undefined,
  boot: Record<string, unknown>,
  answer: (mode: unknown) => Answer | undefined = () => undefined,
) {
  const bmc = await fakeBmc((it) => {
    it.boot = { ...it.boot, ...boot };
    it.on('PATCH', SYSTEM, (seen) => answer(modeOf(seen)));
  });
  const client = clientOf(bmc, bootMode === undefined ? {} : { bootMode });
  const failure = await client.setBootSourcePXE(allow).then(() => undefined, String);
  return { modes: bmc.sent('PATCH').map(modeOf), failure, isRefused: client.isBootModeRefused, bmc, client };
}

test.each<[string, Record<string, unknown>]>([
  ['in UEFI', { BootSourceOverrideMode: 'UEFI', ...offered('UEFI', 'Legacy') }],
  ['in Legacy: it stays there', { BootSourceOverrideMode: 'Legacy', ...offered('UEFI', 'Legacy') }],
  ['without the attribute', {}],
  ['null', { BootSourceOverrideMode: null }],
])('no mode is asked for, server %s: none is sent', async (_name, boot) => {
  expect(await sent(undefined, boot)).toMatchObject({ modes: [undefined], failure: undefined });
});

test.each<[string, 'UEFI' | 'Legacy', Record<string, unknown>, unknown]>([
  ['it is in it already: none is sent', 'UEFI', { BootSourceOverrideMode: 'UEFI' }, undefined],
  ['it is in another: sent', 'UEFI', { BootSourceOverrideMode: 'Legacy', ...offered('UEFI', 'Legacy') }, 'UEFI'],
  ['the other way round', 'Legacy', { BootSourceOverrideMode: 'UEFI' }, 'Legacy'],
  ['null, and offered: sent', 'UEFI', { BootSourceOverrideMode: null, ...offered('UEFI') }, 'UEFI'],
  ['the BMC knows no mode (Supermicro X10): none is sent', 'UEFI', {}, undefined],
])('asked for, and %s', async (_name, asked, boot, mode) => {
  expect(await sent(asked, boot)).toMatchObject({ modes: [mode], failure: undefined, isRefused: false });
});

test('asked for and not offered: nothing is sent, and the message says what is offered', async () => {
  const { modes, failure } = await sent('UEFI', { BootSourceOverrideMode: 'Legacy', ...offered('Legacy') });
  expect(modes).toEqual([]);
  expect(failure).toMatch(/no boot mode UEFI, only Legacy: correct spec.bootMode/);
});

test.each([
  ['by name (HPE)', named],
  ['without a word on why (metal-operator 606)', unnamed],
])('asked for and refused %s: repeated without, left out from then on, and said', async (_name, refusal) => {
  const done = await sent('UEFI', { BootSourceOverrideMode: 'Legacy' }, (mode) =>
    mode === undefined ? undefined : refusal,
  );
  expect(done).toMatchObject({ modes: ['UEFI', undefined], failure: undefined, isRefused: true });
  await done.client.clearBootOverride(allow);
  await done.client.setBootSourcePXE(allow);
  expect(done.bmc.sent('PATCH').map(modeOf)).toEqual(['UEFI', undefined, undefined, undefined]);
});

test('a request that is refused with the mode and without it: its own words', async () => {
  const { modes, failure } = await sent('UEFI', { BootSourceOverrideMode: 'Legacy' }, () => unnamed);
  expect(modes).toEqual(['UEFI', undefined]);
  expect(failure).toContain('A general error has occurred.');
});

test.each(['UEFI', 'Legacy'])('a BMC that wants a mode (newer Supermicro) gets that of the server: %s', async (own) => {
  const done = await sent(undefined, { BootSourceOverrideMode: own }, (mode) =>
    mode === undefined ? named : undefined,
  );
  expect(done).toMatchObject({ modes: [undefined, own], failure: undefined });
  // With it from then on, also where the override is taken back.
  await done.client.clearBootOverride(allow);
  expect(done.bmc.sent('PATCH').map(modeOf)).toEqual([undefined, own, own]);
});

test('it wants a mode and shows none: it is said what to set', async () => {
  const { failure } = await sent(undefined, {}, (mode) => (mode === undefined ? named : undefined));
  expect(failure).toContain('set spec.bootMode to the mode that the server is in');
});

test.each(['UEFI', 'Legacy'])(
  'the own mode %s is lost without a word when it is left out: sent from then on',
  async (own) => {
    const other = own === 'UEFI' ? 'Legacy' : 'UEFI';
    const bmc = await fakeBmc((it) => {
      it.boot = { ...it.boot, BootSourceOverrideMode: own };
      it.on('PATCH', SYSTEM, (seen) => {
        it.boot = { ...it.boot, ...PXE, BootSourceOverrideMode: modeOf(seen) ?? other };
        return { status: 204 };
      });
    });
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(bmc.sent('PATCH').map(modeOf)).toEqual([undefined, own]);
    expect(bmc.boot).toMatchObject({ ...PXE, BootSourceOverrideMode: own });
  },
);

test('HTTP boot is another target; where only that is offered, PXE says so', async () => {
  const http = { 'BootSourceOverrideTarget@Redfish.AllowableValues': ['None', 'UefiHttp', 'Hdd'] };
  const bmc = await fakeBmc((it) => (it.boot = { ...it.boot, ...http }));
  expect(String(await failureOf(clientOf(bmc).setBootSourcePXE(allow)))).toMatch(
    /no boot from Pxe, only None, UefiHttp, Hdd: set spec.networkBoot to HTTP/,
  );
  const client = clientOf(bmc, { networkBoot: 'HTTP' });
  expect(await client.setBootSourcePXE(allow)).toBe(true);
  expect(bmc.boot).toMatchObject({ BootSourceOverrideTarget: 'UefiHttp', BootSourceOverrideEnabled: 'Once' });
  expect(await client.clearBootOverride(allow)).toBe(true);
  expect(bmc.boot).toMatchObject({ BootSourceOverrideEnabled: 'Disabled' });
});
