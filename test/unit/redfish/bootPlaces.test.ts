import { afterEach, describe, expect, test } from '@jest/globals';
import {
  allow,
  clientOf,
  extendedError,
  failureOf,
  fakeBmc,
  stopAll,
  SYSTEM,
  type Answer,
  type FakeBmc,
} from './fakeBmc.ts';

afterEach(stopAll);

type Boot = Record<string, unknown>;
const SD = `${SYSTEM}/SD`;
const PXE = { BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Once' };
const NONE = { BootSourceOverrideTarget: 'None', BootSourceOverrideEnabled: 'Disabled' };
const bootOf = (body: unknown): Boot => (body as { Boot: Boot }).Boot;
const refused: Answer = { status: 400, body: extendedError('Base.1.8.PropertyNotWritable', 'no') };

/** A resource of the future state whose values the system takes over at its next boot only. */
function withFuture(bmc: FakeBmc, future: Boot, { isNamed = true, takes = true } = {}): Boot {
  if (isNamed) bmc.extra = { '@Redfish.Settings': { SettingsObject: { '@odata.id': SD } } };
  bmc.on('GET', SD, () => ({ body: { Boot: future } }));
  bmc.on('PATCH', SD, ({ body }) => {
    if (!takes) return refused;
    Object.assign(future, bootOf(body));
    return { status: 204 };
  });
  return future;
}
const patched = (bmc: FakeBmc): string[] =>
  bmc.sent('PATCH').map(({ path, body }) => {
    const { BootSourceOverrideEnabled: enabled, BootSourceOverrideTarget: target } = bootOf(body);
    return `${path === SD ? 'SD' : 'system'} ${String(enabled)} ${String(target)}`;
  });
const quick = { callTimeoutMs: 400 };

describe('an override that takes effect at the next boot', () => {
  test('is cleared where it was written, with one PATCH, though the system shows it', async () => {
    const bmc = await fakeBmc((it) => {
      it.boot = { ...PXE };
      withFuture(it, { ...PXE });
      it.on('PATCH', SYSTEM, refused);
    });
    const client = clientOf(bmc);
    expect(await client.clearBootOverride(allow)).toBe(true);
    expect(patched(bmc)).toEqual(['SD Disabled None']);
    // A release that is repeated ends, too.
    expect(await clientOf(bmc).clearBootOverride(allow)).toBe(true);
    expect(bmc.boot).toEqual(PXE);
  });

  test('the system alone has it (another process has written it there): it is cleared there', async () => {
    const bmc = await fakeBmc((it) => {
      it.boot = { ...PXE };
      withFuture(it, { ...NONE });
    });
    expect(await clientOf(bmc).clearBootOverride(allow)).toBe(true);
    expect(bmc.boot).toMatchObject(NONE);
  });

  test('is set, read back there, and cleared', async () => {
    const future: Boot = { ...NONE };
    const bmc = await fakeBmc((it) => void withFuture(it, future));
    const client = clientOf(bmc);
    await client.setBootSourcePXE(allow);
    expect(future).toEqual(PXE);
    await client.clearBootOverride(allow);
    expect(future).toEqual(NONE);
    expect(patched(bmc)).toEqual(['SD Once Pxe', 'SD Disabled None']);
  });
});

describe('the other place is tried where one refuses', () => {
  test('the future state refuses: the system, and that at once the next time', async () => {
    const bmc = await fakeBmc((it) => void withFuture(it, { ...NONE }, { takes: false }));
    const client = clientOf(bmc);
    await client.setBootSourcePXE(allow);
    await client.clearBootOverride(allow);
    expect(patched(bmc)).toEqual(['SD Once Pxe', 'system Once Pxe', 'system Disabled None']);
  });

  test('the future state takes it and does not keep it: the system', async () => {
    const bmc = await fakeBmc((it) => {
      withFuture(it, { ...NONE });
      it.habits.unshift(({ method, path }) => (method === 'PATCH' && path === SD ? { status: 204 } : undefined));
    });
    await clientOf(bmc, quick).setBootSourcePXE(allow);
    expect(patched(bmc)).toEqual(['SD Once Pxe', 'system Once Pxe']);
  });

  test.each([
    extendedError('Ami.1.0.OperationSupportedInFutureStateURI', 'Use the URI of the future state.'),
    extendedError('Base.1.12.ActionNotSupported', 'This is changed at the Settings resource.'),
  ])('the system speaks of a future state that it does not name: <system>/SD', async (body) => {
    const future: Boot = { ...NONE };
    const bmc = await fakeBmc((it) => {
      withFuture(it, future, { isNamed: false });
      it.on('PATCH', SYSTEM, { status: 400, body });
    });
    const client = clientOf(bmc);
    await client.setBootSourcePXE(allow);
    await client.clearBootOverride(allow);
    expect(patched(bmc)).toEqual(['system Once Pxe', 'SD Once Pxe', 'SD Disabled None']);
    expect(future).toEqual(NONE);
  });

  test('another refusal is told as it is, and nothing else is tried', async () => {
    const bmc = await fakeBmc((it) => {
      withFuture(it, { ...NONE }, { isNamed: false });
      it.on('PATCH', SYSTEM, refused);
    });
    expect(String(await failureOf(clientOf(bmc).setBootSourcePXE(allow)))).toContain('refused with 400: "no"');
    expect(patched(bmc)).toEqual(['system Once Pxe']);
  });

  test('both refuse: the words of the first', async () => {
    const bmc = await fakeBmc((it) => {
      withFuture(it, { ...NONE }, { takes: false });
      it.on('PATCH', SYSTEM, { status: 400, body: extendedError('Base.1.8.GeneralError', 'other words') });
    });
    expect(String(await failureOf(clientOf(bmc).setBootSourcePXE(allow)))).toContain(`${SD} at`);
  });
});

test('Disabled is taken only without a target (community.general 3509): the last resort, and that at once the next time', async () => {
  const bmc = await fakeBmc((it) => {
    it.boot = { ...PXE };
    it.on('PATCH', SYSTEM, ({ body }) => {
      const { BootSourceOverrideEnabled: enabled, BootSourceOverrideTarget: target } = bootOf(body);
      return enabled === 'Disabled' && target !== undefined ? refused : undefined;
    });
  });
  const client = clientOf(bmc);
  await client.clearBootOverride(allow);
  expect(patched(bmc)).toEqual(['None', 'Pxe', 'Hdd', undefined].map((target) => `system Disabled ${String(target)}`));
  expect(bmc.boot).toMatchObject({ BootSourceOverrideEnabled: 'Disabled' });
  bmc.boot = { ...PXE };
  await client.clearBootOverride(allow);
  expect(patched(bmc).slice(4)).toEqual(['system Disabled undefined']);
});

test('clearing that is refused in each form ends, with the words of the first refusal', async () => {
  const bmc = await fakeBmc((it) => {
    it.boot = { ...PXE };
    withFuture(it, { ...PXE }, { takes: false });
    it.on('PATCH', SYSTEM, refused);
  });
  expect(await failureOf(clientOf(bmc).clearBootOverride(allow))).toMatchObject({ kind: 'Refused', status: 400 });
  expect(bmc.sent('PATCH')).toHaveLength(8);
});
