import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { RedfishClient } from '../../redfish/index.ts';
import { startFleet, type Bmc, type Fleet } from '../../simulator/index.ts';
import { VM_DEFAULTS } from '../../simulator/vm/options.ts';
import { describeWithVms, untilConsole } from '../support/vm/machines.ts';

jest.setTimeout(240_000);

/** Without KVM, and while the machine does other things as well. */
const BOOT_MS = 90_000;
const signal = AbortSignal.timeout(600_000);

describeWithVms.each(['bios', 'uefi'] as const)('a virtual machine with %s behind a BMC', (firmware) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-vm-'));
  const asked: { path: string; agent: string }[] = [];
  let http: Server;
  let fleet: Fleet;
  let server: Bmc;
  let bmc: RedfishClient;
  let consoleFile = '';

  beforeAll(async () => {
    http = createServer(({ url = '', headers }, response) => {
      asked.push({ path: url, agent: headers['user-agent'] ?? '' });
      response.end('#!ipxe\nreboot\n');
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const { port } = http.address() as AddressInfo;
    fleet = await startFleet({
      hosts: 1,
      basePort: 0,
      profile: 'generic',
      powerDelayMs: 50,
      bootUrl: `http://10.0.2.2:${port}/boot?mac=\${netX/mac}`,
      vm: { ...VM_DEFAULTS, firmware, folder },
    });
    server = fleet.host('sim-0001');
    const { address, name } = server;
    consoleFile = path.join(folder, name, 'console.log');
    writeFileSync(consoleFile, '');
    writeFileSync(path.join(folder, name, 'disk0.raw'), bootSector('here boots the disk'), { flag: 'r+' });
    bmc = new RedfishClient({ address, username: 'admin', password: 'simulated' });
  });

  afterAll(async () => {
    await bmc.close();
    await fleet.stop();
    http.close();
    http.closeAllConnections();
    rmSync(folder, { recursive: true });
  });

  const change = { signal, userAgent: 'beskar7 (test)', fence: () => Promise.resolve(() => undefined) };

  test('is off, and says who it is', async () => {
    expect(await bmc.getPowerState({ signal })).toBe('Off');
    expect(await bmc.getSystemInfo({ signal })).toMatchObject({ serialNumber: server.serial });
  });

  const override = () => server.server.override;
  const log = () => server.server.powerLog.map(({ power, why }) => `${power}: ${why}`);

  test('PXE once: iPXE asks for the script by its MAC; a restart then boots as the override says now: not from the network', async () => {
    await bmc.setBootSourcePXE(change);
    expect(override()).toMatchObject({ target: 'Pxe', enabled: 'Once' });
    await bmc.setPowerState('On', change);
    await bmc.waitForPowerState('On', { timeoutMs: 10_000, signal });
    expect(override()).toMatchObject({ target: 'None', enabled: 'Disabled' });
    // The script says: restart.
    await untilConsole(
      consoleFile,
      firmware === 'bios' ? /here boots the disk/ : /UEFI Interactive Shell|Shell>/,
      BOOT_MS,
    );
    const fetched = asked.filter(({ agent }) => agent.startsWith('iPXE'));
    expect(fetched.map(({ path: wanted }) => decodeURIComponent(wanted))).toEqual([`/boot?mac=${server.mac}`]);
    expect(log()).toEqual(['PoweringOn: On', 'On: On', 'Off: guest-reset', 'On: restart by the guest']);
  });

  test('off is off: the process is gone, and its end is told', async () => {
    await bmc.setPowerState('ForceOff', change);
    expect(await bmc.waitForPowerState('Off', { timeoutMs: 10_000, signal })).toBe(true);
    expect(log().at(-1)).toBe('Off: ForceOff');
  });

  test('a boot from disk asks nobody', async () => {
    asked.length = 0;
    writeFileSync(consoleFile, '');
    await bmc.setPowerState('On', change);
    await untilConsole(
      consoleFile,
      firmware === 'bios' ? /here boots the disk/ : /UEFI Interactive Shell|Shell>/,
      BOOT_MS,
    );
    expect(asked).toEqual([]);
  });
});

/** A master boot record that writes a line to the serial port and stops (16-bit x86). */
function bootSector(text: string): Buffer {
  const sector = Buffer.alloc(512);
  // xor ax,ax; mov ds,ax; mov si,7c15; next: lodsb; test al,al; jz stop; mov dx,3f8; out dx,al; jmp next; stop: hlt;
  // jmp stop
  Buffer.from('31c08ed8be157cac84c07406baf803eeebf5f4ebfd', 'hex').copy(sector);
  sector.write(`${text}\r\n`, 0x15);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}
