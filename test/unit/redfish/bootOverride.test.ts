import { afterEach, describe, expect, test } from '@jest/globals';
import { allow, clientOf, extendedError, failureOf, fakeBmc, stopAll, type FakeBmc } from './fakeBmc.ts';

afterEach(stopAll);

const SYSTEM = '/redfish/v1/Systems/1';
const SETTINGS = '/redfish/v1/Systems/1/SD';
const PXE = { BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Once' };
const SET = { BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Once' };
const patches = (bmc: FakeBmc): unknown[] => bmc.sent('PATCH').map((one) => (one.body as { Boot: unknown }).Boot);

describe('PXE once', () => {
  test('is set and read back, in three requests after discovery', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    await client.setBootSourcePXE(allow);
    expect(patches(bmc)).toEqual([PXE]);
    expect(bmc.seen.map((one) => one.method).join(' ')).toBe('GET GET GET PATCH GET');
  });

  test('is not sent again when the system shows it', async () => {
    const bmc = await fakeBmc((it) => (it.boot = { ...SET }));
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(patches(bmc)).toEqual([]);
  });

  test('accepted but not kept: Refused', async () => {
    const bmc = await fakeBmc((it) => it.on('PATCH', SYSTEM, { status: 200, body: {} }));
    const failure = await failureOf(clientOf(bmc, { callTimeoutMs: 400 }).setBootSourcePXE(allow));
    expect(failure).toMatchObject({ kind: 'Refused', retryable: true });
    expect(bmc.sent('PATCH')).toHaveLength(1);
    expect(String(failure)).toContain('does not show it');
  });

  test('not offered: nothing is sent', async () => {
    const bmc = await fakeBmc(
      (it) => (it.boot = { 'BootSourceOverrideTarget@Redfish.AllowableValues': ['None', 'Hdd'] }),
    );
    expect(String(await failureOf(clientOf(bmc).setBootSourcePXE(allow)))).toContain(
      'no boot from Pxe, only None, Hdd',
    );
    expect(bmc.changes).toEqual([]);
  });

  test('a refusal during POST (iLO) is retried', async () => {
    const body = extendedError('iLO.2.14.UnableToModifyDuringSystemPOST', 'POST');
    const bmc = await fakeBmc((it) =>
      it.on('PATCH', SYSTEM, { status: 400, body, headers: { 'retry-after': '0' } }, 1),
    );
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(patches(bmc)).toEqual([PXE, PXE]);
  });

  test('a PATCH whose outcome is unknown is read, not repeated', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('PATCH', SYSTEM, () => {
        it.boot = { ...SET };
        return { status: 504 };
      }),
    );
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(patches(bmc)).toEqual([PXE]);
  });

  test('a 202 is followed, then read back', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('PATCH', SYSTEM, { status: 202, headers: { location: '/task', 'retry-after': '0' } });
      it.on('GET', '/task', () => {
        it.boot = { ...SET };
        return { body: { TaskState: 'Completed' } };
      });
    });
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(patches(bmc)).toHaveLength(1);
  });
});

describe('ETags', () => {
  /** Takes a PATCH only with the If-Match that `accepts` likes. */
  const strict = (
    bmc: FakeBmc,
    etag: string | undefined,
    accepts: (match: string | undefined) => 412 | 428 | undefined,
  ) => {
    bmc.on('GET', SYSTEM, () => ({ body: bmc.system(), ...(etag === undefined ? {} : { headers: { etag } }) }));
    bmc.on('PATCH', SYSTEM, (seen) => {
      const status = accepts(seen.headers['if-match']);
      return status === undefined ? undefined : { status };
    });
  };
  const matches = (bmc: FakeBmc): unknown[] => bmc.sent('PATCH').map((one) => one.headers['if-match']);

  test.each([
    ['as given', 'W/"1"', ['W/"1"'], (match?: string) => (match === 'W/"1"' ? undefined : 412)],
    ['strong', 'W/"1"', ['W/"1"', '"1"'], (match?: string) => (match === '"1"' ? undefined : 412)],
    ['none', 'W/"1"', ['W/"1"', '"1"', undefined], (match?: string) => (match === undefined ? undefined : 412)],
    ['strong → none', '"1"', ['"1"', undefined], (match?: string) => (match === undefined ? undefined : 412)],
    ['428 without one', undefined, [undefined, '*'], (match?: string) => (match === undefined ? 428 : undefined)],
  ] as const)('412 and 428: %s', async (_name, etag, sent, accepts) => {
    const bmc = await fakeBmc((it) => strict(it, etag, accepts));
    const client = clientOf(bmc);
    await client.setBootSourcePXE(allow);
    expect(matches(bmc)).toEqual(sent);
    // What was learned is kept: the next one needs one PATCH.
    await client.clearBootOverride(allow);
    expect(matches(bmc)).toEqual([...sent, sent.at(-1)]);
  });

  test('428, and the next GET has one', async () => {
    let gets = 0;
    const bmc = await fakeBmc((it) => {
      it.on('GET', SYSTEM, () => ({ body: { ...it.system(), ...((gets += 1) > 1 ? { '@odata.etag': '"9"' } : {}) } }));
      it.on('PATCH', SYSTEM, (seen) => (seen.headers['if-match'] === undefined ? { status: 428 } : undefined));
    });
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(matches(bmc)).toEqual([undefined, '"9"']);
  });

  test('412 whatever is sent ends', async () => {
    const bmc = await fakeBmc((it) => strict(it, 'W/"1"', () => 412));
    expect(await failureOf(clientOf(bmc).setBootSourcePXE(allow))).toMatchObject({ kind: 'Refused', status: 412 });
    expect(bmc.sent('PATCH')).toHaveLength(3);
  });
});

describe('@Redfish.Settings', () => {
  const withSettings = (bmc: FakeBmc, settings: Record<string, unknown>): void => {
    bmc.extra = { '@Redfish.Settings': { SettingsObject: { '@odata.id': SETTINGS } } };
    bmc.on('GET', SETTINGS, () => ({ body: settings, headers: { etag: '"s"' } }));
    bmc.on('PATCH', SETTINGS, (seen) => {
      settings['Boot'] = { ...(settings['Boot'] as object), ...(seen.body as { Boot: object }).Boot };
      return { status: 204 };
    });
  };

  test('the PATCH goes there when it holds the attribute (AMI, Lenovo), with its ETag', async () => {
    const bmc = await fakeBmc((it) =>
      withSettings(it, { Boot: { BootSourceOverrideTarget: 'None', BootSourceOverrideEnabled: 'Disabled' } }),
    );
    const client = clientOf(bmc);
    await client.setBootSourcePXE(allow);
    expect(bmc.sent('PATCH', SETTINGS)[0]?.headers['if-match']).toBe('"s"');
    await client.clearBootOverride(allow);
    expect(bmc.sent('PATCH', SETTINGS)).toHaveLength(2);
    expect(bmc.sent('PATCH', SYSTEM)).toHaveLength(0);
  });

  test('and to the system when it does not, or is not there', async () => {
    const bmc = await fakeBmc((it) => withSettings(it, { Boot: { BootOrder: [] } }));
    await clientOf(bmc).setBootSourcePXE(allow);
    expect(bmc.sent('PATCH', SYSTEM)).toHaveLength(1);
    const missing = await fakeBmc(
      (it) => (it.extra = { '@Redfish.Settings': { SettingsObject: { '@odata.id': '/no' } } }),
    );
    await clientOf(missing).setBootSourcePXE(allow);
    expect(missing.sent('PATCH', SYSTEM)).toHaveLength(1);
  });
});

describe('clearing', () => {
  test.each([
    [{ BootSourceOverrideEnabled: 'Disabled', BootSourceOverrideTarget: 'Pxe' }],
    [{ BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'None' }],
    [{ BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Hdd' }],
    [{}],
    [{ BootSourceOverrideEnabled: null, BootSourceOverrideTarget: 7 }],
  ])('%j is not ours: nothing is sent', async (boot) => {
    const bmc = await fakeBmc((it) => (it.boot = boot));
    await clientOf(bmc).clearBootOverride(allow);
    expect(bmc.changes).toEqual([]);
  });

  test('with target None (strict BMCs want one)', async () => {
    const bmc = await fakeBmc(
      (it) => (it.boot = { BootSourceOverrideEnabled: 'Continuous', BootSourceOverrideTarget: 'Pxe' }),
    );
    await clientOf(bmc).clearBootOverride(allow);
    expect(patches(bmc)).toEqual([{ BootSourceOverrideTarget: 'None', BootSourceOverrideEnabled: 'Disabled' }]);
  });

  test('iLO refuses None: Pxe with Disabled', async () => {
    const bmc = await fakeBmc((it) => {
      it.boot = { ...SET };
      it.on('PATCH', SYSTEM, (seen) =>
        (seen.body as { Boot: { BootSourceOverrideTarget: string } }).Boot.BootSourceOverrideTarget === 'None'
          ? { status: 400, body: extendedError('Base.1.8.PropertyValueNotInList', 'None is not in the list') }
          : undefined,
      );
    });
    await clientOf(bmc).clearBootOverride(allow);
    expect(bmc.boot).toMatchObject({ BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Disabled' });
  });

  test('a service that knows no Disabled and no None (sushy-tools): another target, and that at once the next time', async () => {
    const bmc = await fakeBmc((it) => {
      const listed = { 'BootSourceOverrideTarget@Redfish.AllowableValues': ['Pxe', 'Cd', 'Hdd'] };
      it.boot = { ...listed, BootSourceOverrideEnabled: 'Continuous', BootSourceOverrideTarget: 'Hdd' };
      it.on('PATCH', SYSTEM, (seen) => {
        const { BootSourceOverrideTarget } = (seen.body as { Boot: { BootSourceOverrideTarget: string } }).Boot;
        if (BootSourceOverrideTarget === 'None') return { status: 400 };
        it.boot = { ...it.boot, BootSourceOverrideTarget };
        return { status: 204 };
      });
    });
    const client = clientOf(bmc, { callTimeoutMs: 400 });
    const targets = () =>
      bmc.sent('PATCH').map((one) => (one.body as { Boot: typeof PXE }).Boot.BootSourceOverrideTarget);
    await client.setBootSourcePXE(allow);
    await client.clearBootOverride(allow);
    expect(targets()).toEqual(['Pxe', 'None', 'Pxe', 'Hdd']);
    await client.setBootSourcePXE(allow);
    await client.clearBootOverride(allow);
    expect(targets().slice(4)).toEqual(['Pxe', 'Hdd']);
  });
});

test('a whole provision takes at most 12 requests and one connection', async () => {
  const bmc = await fakeBmc();
  const client = clientOf(bmc);
  await client.setPowerState('ForceOff', allow);
  await client.waitForPowerState('Off', { timeoutMs: 1_000 });
  await client.setBootSourcePXE(allow);
  await client.setPowerState('On', allow);
  await client.waitForPowerState('On', { timeoutMs: 1_000 });
  await client.clearBootOverride(allow);
  expect(bmc.seen.length).toBeLessThanOrEqual(12);
  expect(bmc.connections).toBe(1);
});
