import { afterEach, describe, expect, test } from '@jest/globals';
import { RedfishError, type ServerShown } from '../../../redfish/index.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll, SYSTEM } from './fakeBmc.ts';

afterEach(stopAll);

/** Takes the server with this serial number only, and keeps what it was shown. */
function onlyServer(serial: string) {
  const shown: ServerShown[] = [];
  const identify = (server: ServerShown): void => {
    shown.push(server);
    if (server.serialNumber !== serial) throw new Error(`it is ${server.serialNumber}, not ${serial}`);
  };
  return { shown, identify };
}

describe('the server is compared on each read of the system', () => {
  test('it is told what the system shows, from the read that precedes the write', async () => {
    const bmc = await fakeBmc((made) => {
      made.power = 'On';
      made.extra = { UUID: '4C4C4544-0051-3610-8052-B4C04F4E3232', SKU: '1Q6R4N2' };
    });
    const { shown, identify } = onlyServer('SN-1');
    await clientOf(bmc).setPowerState('Off', { ...allow, identify });
    const uuid = '4C4C4544-0051-3610-8052-B4C04F4E3232';
    expect(shown).toEqual([{ systemID: '1', uuid, serialNumber: 'SN-1', sku: '1Q6R4N2' }]);
    expect(bmc.sent('GET', SYSTEM)).toHaveLength(1);
    expect(bmc.changes).toHaveLength(1);
  });

  test.each([
    ['power off', 'On', 'setPowerState', 'Off'],
    ['power on', 'Off', 'setPowerState', 'On'],
    ['network boot', 'Off', 'setBootSourcePXE', undefined],
  ] as const)('%s: another server gets nothing', async (_what, power, call, state) => {
    const bmc = await fakeBmc((made) => {
      made.power = power;
      made.extra = { SerialNumber: 'SN-2' };
    });
    const options = { ...allow, identify: onlyServer('SN-1').identify };
    const client = clientOf(bmc);
    const failure = await failureOf(
      call === 'setPowerState' ? client.setPowerState(state, options) : client.setBootSourcePXE(options),
    );
    expect(failure).toBeInstanceOf(RedfishError);
    expect(failure).toMatchObject({ kind: 'FenceRefused', retryable: false, cause: new Error('it is SN-2, not SN-1') });
    expect(bmc.changes).toEqual([]);
  });

  test('clearing the boot override of another server sends nothing', async () => {
    const bmc = await fakeBmc((made) => {
      made.boot = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' };
    });
    const failure = await failureOf(
      clientOf(bmc).clearBootOverride({ ...allow, identify: onlyServer('another').identify }),
    );
    expect(failure).toMatchObject({ kind: 'FenceRefused' });
    expect(bmc.changes).toEqual([]);
  });

  test('that another server is off is not taken for an answer', async () => {
    const bmc = await fakeBmc((made) => {
      made.power = 'Off';
    });
    const client = clientOf(bmc);
    const { identify } = onlyServer('another');
    expect(await failureOf(client.getPowerState({ identify }))).toMatchObject({ kind: 'FenceRefused' });
    const wait = client.waitForPowerState('Off', { timeoutMs: 2_000, identify });
    expect(await failureOf(wait)).toMatchObject({ kind: 'FenceRefused' });
  });

  test('a read that is a moment old is compared, too', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    await client.getPowerState();
    const failure = await failureOf(client.setPowerState('On', { ...allow, identify: onlyServer('another').identify }));
    expect(failure).toMatchObject({ kind: 'FenceRefused' });
    expect(bmc.changes).toEqual([]);
  });

  test('a server that was swapped after the command is not seen off', async () => {
    const bmc = await fakeBmc((made) => {
      made.power = 'On';
    });
    const client = clientOf(bmc);
    const { identify } = onlyServer('SN-1');
    await client.setPowerState('Off', { ...allow, identify });
    bmc.extra = { SerialNumber: 'SN-2' };
    const wait = client.waitForPowerState('Off', { timeoutMs: 2_000, identify });
    expect(await failureOf(wait)).toMatchObject({ kind: 'FenceRefused' });
  });
});
