import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { parseReport } from '../../api/report/parse.ts';
import { buildInspector } from '../../inspector/build/image.ts';
import { readPackagesLock } from '../../inspector/build/lock.ts';
import { QEMU } from '../../simulator/vm/command.ts';
import { cacheFolder } from '../../tools/toolchain/cache.ts';
import { describeWithVms, readConsole, untilConsole } from '../support/vm/machines.ts';

// The image is built the first time.
jest.setTimeout(900_000);

/** Without KVM, and while the machine does other things as well. */
const BOOT_MS = 240_000;
const TOKEN = 'tHIS-iS_tHE-sECRET-bEARER-0123456789abcdefgh';
const MAC = '52:54:00:be:5c:07';

describeWithVms('the inspector of real servers (flavour server), on devices that servers have', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-server-'));
  const consoleFile = path.join(folder, 'console.log');
  const asked: { path: string; body: string }[] = [];
  let http: Server;
  let qemu: ChildProcess | undefined;
  let base = '';

  beforeAll(async () => {
    const store = {
      folder: path.join(cacheFolder(), 'inspector'),
      mirror: 'http://deb.debian.org',
      snapshotUrl: 'https://snapshot.debian.org/archive',
      useApt: true,
      say: (line: string) => void process.stderr.write(`beskar7: ${line}\n`),
    };
    const { vmlinuz, initrd } = await buildInspector('server', await readPackagesLock(), store);
    writeFileSync(path.join(folder, 'vmlinuz'), vmlinuz);
    writeFileSync(path.join(folder, 'initrd.img'), initrd);
    http = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        const { pathname } = new URL(request.url ?? '', base);
        asked.push({ path: `${request.method} ${pathname}`, body });
        const isAllowed = request.headers.authorization === `Bearer ${TOKEN}`;
        response.writeHead(!isAllowed ? 401 : pathname.includes('/bootstrap/') ? 200 : 202).end();
      });
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    base = `http://10.0.2.2:${(http.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    asked.length = 0;
    if (qemu === undefined || qemu.exitCode !== null || qemu.signalCode !== null) return;
    const ended = once(qemu, 'exit');
    qemu.kill('SIGKILL');
    await ended;
  });

  afterAll(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  /**
   * Starts the machine with arguments of the kernel behind those that every boot script has; resolves when its power is
   * off.
   */
  async function runUntilOff(more: string): Promise<string> {
    const sizes = { sata: 8, nvme: 4, sas: 2, usb: 1 };
    for (const [name, gibibytes] of Object.entries(sizes)) {
      writeFileSync(path.join(folder, `${name}.img`), '');
      truncateSync(path.join(folder, `${name}.img`), gibibytes * 2 ** 30);
    }
    writeFileSync(consoleFile, '');
    const line = [
      `quiet loglevel=4 beskar7.api=${base} beskar7.namespace=default beskar7.host=h-1 beskar7.token=${TOKEN}`,
      `beskar7.target=${base}/target.tar.gz beskar7.provider-id=b7://default/h-1/m-1 ${more}`,
    ].join(' ');
    const drive = (name: string) => [
      '-drive',
      `if=none,id=${name},format=raw,file=${path.join(folder, `${name}.img`)}`,
    ];
    qemu = spawn(
      QEMU,
      [
        ...[
          '-machine',
          'q35,graphics=off',
          '-accel',
          'tcg',
          '-m',
          '1024',
          '-display',
          'none',
          '-monitor',
          'none',
          '-no-reboot',
        ],
        ...['-chardev', `file,id=console,path=${consoleFile}`, '-serial', 'chardev:console'],
        ...['-kernel', path.join(folder, 'vmlinuz'), '-initrd', path.join(folder, 'initrd.img'), '-append', line],
        ...['-smbios', 'type=1,manufacturer=Made Up Inc.,product=Box "9000",serial=SN-1'],
        ...['-netdev', 'user,id=n0', '-device', `e1000e,netdev=n0,mac=${MAC},romfile=`],
        ...[...drive('sata'), '-device', 'ide-hd,drive=sata,bus=ide.0,serial=SATA1'],
        ...[...drive('nvme'), '-device', 'nvme,drive=nvme,serial=NVME1'],
        ...[...drive('sas'), '-device', 'megasas,id=raid', '-device', 'scsi-hd,drive=sas,bus=raid.0,serial=SAS1'],
        ...[...drive('usb'), '-device', 'qemu-xhci', '-device', 'usb-storage,drive=usb'],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const off = once(qemu, 'exit', { signal: AbortSignal.timeout(BOOT_MS) });
    await untilConsole(consoleFile, /beskar7: inspector of Beskar7/, BOOT_MS);
    await off;
    const said = readConsole(consoleFile);
    expect(said).not.toContain(TOKEN);
    return said;
  }

  test('finds disks at AHCI, NVMe, MegaRAID and USB; a target that is not there is told, and the power goes off', async () => {
    const said = await runUntilOff(`BOOTIF=01-${MAC.replaceAll(':', '-')}`);
    expect(said).toContain('asks for an address on eth0, from which the server booted');
    expect(asked.map(({ path: route }) => route)).toEqual([
      'POST /api/v1/inspection/default/h-1',
      'GET /api/v1/bootstrap/default/h-1',
      // Without a bearer: 401.
      'GET /target.tar.gz',
      'POST /api/v1/provision-failed/default/h-1',
    ]);
    expect(JSON.parse(asked[3]?.body ?? '')).toEqual({
      reason: 'TargetUnreachable: the target image could not be fetched',
    });
    const parsed = parseReport(JSON.parse(asked[0]?.body ?? ''));
    if (parsed.kind === 'bad') throw new Error(parsed.problems.join('\n'));
    const { system, disks, nics, memory, storageControllers } = parsed.report;
    expect(system).toMatchObject({ manufacturer: 'Made Up Inc.', model: 'Box "9000"', serialNumber: 'SN-1' });
    expect(memory?.totalGB).toBe(1);
    const found = disks?.map(({ type, serial, sizeBytes = 0, removable }) => [
      type,
      serial,
      sizeBytes / 2 ** 30,
      removable,
    ]);
    expect(found?.sort()).toEqual(
      [
        ['HDD', 'SATA1', 8, undefined],
        ['HDD', 'SAS1', 2, undefined],
        ['HDD', undefined, 1, true],
        ['NVMe', 'NVME1', 4, undefined],
      ].sort(),
    );
    expect(nics).toEqual([
      {
        interface: 'eth0',
        macAddress: MAC,
        linkStatus: 'up',
        speedMbps: 1000,
        driver: 'e1000e',
        ipAddresses: ['10.0.2.15'],
      },
    ]);
    expect(storageControllers?.map(({ driver }) => driver).sort()).toEqual(['ahci', 'megaraid_sas', 'nvme']);
  });

  test('beskar7.ip without BOOTIF: no DHCP is asked; WholeDisk on a disk that is too small is refused before anything is fetched', async () => {
    const said = await runUntilOff(
      `beskar7.ip=10.0.2.77/24,10.0.2.2,10.0.2.3 beskar7.mode=WholeDisk beskar7.disk=SAS1 beskar7.min-disk-gb=3 beskar7.target-digest=sha256:${'0'.repeat(64)}`,
    );
    expect(said).toContain('eth0: 10.0.2.77/24');
    expect(said).not.toContain('asks for an address');
    expect(asked.filter(({ path: route }) => route.startsWith('GET /target'))).toEqual([]);
    expect(asked.at(-1)?.path).toBe('POST /api/v1/provision-failed/default/h-1');
    expect(JSON.parse(asked.at(-1)?.body ?? '')).toEqual({ reason: 'NoDiskFits: beskar7.disk is too small' });
  });
});
