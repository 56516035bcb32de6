import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import type { Beskar7MachineSpec } from '../../crds/beskar7Machine.ts';
import { claimOf } from '../../model/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { VM_DEFAULTS } from '../../simulator/vm/options.ts';
import { ensureVmImages, type VmImages } from '../../tools/vm/images.ts';
import { describeWithVms, readConsole, untilConsole } from '../support/vm/machines.ts';
import { World } from '../support/world.ts';

// The images are built the first time.
jest.setTimeout(900_000);

/** Without KVM, and while the machine does other things as well. */
const BOOT_MS = 240_000;
const GATEWAY = '10.0.2.2';
const CONFIGURATION = '#cloud-config\nhostname: "a real one"\n';

/**
 * A world with one virtual machine, and what its tests ask. What a boot is not needed for twice is shown with one
 * firmware.
 */
class VmWorld extends World {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-vms-'));
  readonly consoleFile = path.join(this.folder, 'sim-0001', 'console.log');
  override seenAs = GATEWAY;
  images!: VmImages;

  async boot(firmware: 'bios' | 'uefi'): Promise<void> {
    this.images = await ensureVmImages((line) => void process.stderr.write(`beskar7: ${line}\n`));
    this.flags.push(`--images-folder=${this.images.folder}`);
    await this.start({ hosts: 1, profile: 'generic', vm: { ...VM_DEFAULTS, firmware, folder: this.folder } });
  }

  /** A machine whose final OS is the target OS of inspector/target-os. */
  wants(more: Partial<Beskar7MachineSpec> = {}): Partial<Beskar7MachineSpec> {
    const targetOSImage = `http://${GATEWAY}:${new URL(this.bootUrl).port}/images/target-os.tar.gz`;
    return { targetOSImage, targetOSImageDigest: this.images.targetDigest, readyWhen: 'OSReported', ...more };
  }

  get server() {
    return this.serverOf('host-1').server;
  }

  /** No token, nonce or password stands on the serial line. */
  consoleIsClean(): void {
    const said = readConsole(this.consoleFile);
    expect(said).toMatch(/beskar7: /);
    for (const secret of this.witness.secrets.keys()) expect(said).not.toContain(secret);
  }

  async isFreeAndOff(): Promise<void> {
    const host = await this.hostIs('host-1', 'Available');
    expect(claimOf(host)).toBeUndefined();
    expect(this.server.state.power).toBe('Off');
    expect(this.server.override.enabled).toBe('Disabled');
  }

  async gone(machine: string): Promise<void> {
    await this.kubectl('delete', 'beskar7machine', machine, '--wait=false');
    await this.machineIsGone(machine);
    await this.isFreeAndOff();
  }

  override async stop(): Promise<void> {
    await super.stop();
    rmSync(this.folder, { recursive: true });
  }
}

const messageOf = (machine: { status?: { conditions?: never[] } }) =>
  findCondition(machine.status?.conditions, 'Ready')?.message ?? '';

describeWithVms.each(['bios', 'uefi'] as const)('a real boot with %s firmware', (firmware) => {
  const world = new VmWorld(`vm-${firmware}`);
  let http: Server;

  beforeAll(async () => {
    http = createServer((_request, response) => response.end(CONFIGURATION)).listen(0, '127.0.0.1');
    await once(http, 'listening');
    await world.boot(firmware);
  });

  afterAll(async () => {
    http.close();
    await world.stop();
  });

  test('from power-on to a final OS that reports in', async () => {
    const configurationURL = `http://${GATEWAY}:${(http.address() as AddressInfo).port}/worker.yaml`;
    const hardwareRequirements = { minCPUCores: 1, minDiskGB: 4 };
    await world.addMachine('real', world.wants({ configurationURL, hardwareRequirements }));
    const machine = await world.machineIs('real', 'Provisioned', BOOT_MS);
    expect(machine.spec.providerID).toBe(`b7://${world.namespace}/host-1/${machine.metadata.name}`);
    const said = readConsole(world.consoleFile);
    expect(said).toContain(`provider id: b7://${world.namespace}/host-1/${machine.metadata.name}`);
    expect(said).toContain('hostname: "a real one"');
    world.consoleIsClean();
    expect(world.server.state).toMatchObject({ power: 'On', boots: 1, networkBoots: 1 });
  });

  test('its report is what the machine is made of', async () => {
    const host = await world.host('host-1');
    const { serial, mac, manufacturer } = world.server.hardware;
    expect(host?.status?.inspectionReport).toMatchObject({
      cpus: { count: 1, cores: 1, architecture: 'x86_64' },
      disks: [{ device: '/dev/vda', sizeBytes: VM_DEFAULTS.diskBytes[0], serial: `${serial}-D0`.slice(0, 20) }],
      nics: [{ macAddress: mac, driver: 'virtio_net', linkStatus: 'up' }],
      system: { manufacturer, serialNumber: serial },
      bootMode: firmware === 'uefi' ? 'UEFI' : 'Legacy',
    });
    const total = host?.status?.inspectionReport?.memory?.totalBytes ?? 0;
    expect(total).toBeGreaterThan(900 * 2 ** 20);
    expect(total).toBeLessThanOrEqual(1_024 * 2 ** 20);
  });

  test('its release: the final OS is switched off, the host is free', async () => {
    await world.gone('real');
    expect(world.server.state.boots).toBe(1);
  });
});

describeWithVms.each(['bios', 'uefi'] as const)('a whole disk with %s firmware', (firmware) => {
  const world = new VmWorld(`vm-disk-${firmware}`);
  beforeAll(() => world.boot(firmware));
  afterAll(() => world.stop());

  test('the image is written, and the machine boots from its disk: it reports in', async () => {
    await world.addMachine('disk', {
      targetOSImage: `http://${GATEWAY}:${new URL(world.bootUrl).port}/images/target-os.raw`,
      targetOSImageDigest: world.images.diskDigest,
      deployMode: 'WholeDisk',
      readyWhen: 'OSReported',
      hardwareRequirements: { minDiskGB: 4 },
    });
    await world.machineIs('disk', 'Provisioned', BOOT_MS);
    expect(readConsole(world.consoleFile)).toContain(`provider id: b7://${world.namespace}/host-1/disk`);
    world.consoleIsClean();
    expect(world.server.state).toMatchObject({ power: 'On', boots: 2, networkBoots: 1 });
    await world.gone('disk');
  });
});

describeWithVms('a real boot that goes wrong', () => {
  const world = new VmWorld('vm-wrong');
  beforeAll(() => world.boot('bios'));
  afterAll(() => world.stop());

  test('hardware below the requirements: Failed with what was found, switched off, free', async () => {
    const hardwareRequirements = { minCPUCores: 64, minMemoryGB: 512, minDiskGB: 1 };
    await world.addMachine('greedy', world.wants({ hardwareRequirements }));
    const machine = await world.machineIs('greedy', 'Failed', BOOT_MS);
    expect(messageOf(machine as never)).toMatch(/minCPUCores: 64 asked for, 1 found.*minMemoryGB: 512 asked for/s);
    await world.isFreeAndOff();
    world.consoleIsClean();
    await world.gone('greedy');
  });

  test('an image with another digest: nothing of it runs, the machine says why', async () => {
    await world.addMachine('other', world.wants({ targetOSImageDigest: `sha256:${'0'.repeat(64)}` }));
    const machine = await world.machineIs('other', 'Failed', BOOT_MS);
    expect(messageOf(machine as never)).toMatch(/TargetDigestMismatch/);
    expect(readConsole(world.consoleFile)).not.toContain('target OS is up');
    await world.isFreeAndOff();
    world.consoleIsClean();
    await world.gone('other');
  });
});

describeWithVms('an inspection image that does not reach the callback URL', () => {
  // Nobody listens on port 9.
  const world = new VmWorld('vm-deaf', [`--callback-url=http://${GATEWAY}:9`, '--inspection-timeout=40s']);
  beforeAll(() => world.boot('bios'));
  afterAll(() => world.stop());

  test('times out, says how far it came, and is seen off', async () => {
    const targetOSImage = `http://${GATEWAY}:${new URL(world.bootUrl).port}/images/target-os.tar.gz`;
    await world.addMachine('deaf', { targetOSImage });
    await untilConsole(world.consoleFile, /sends the report.*\n.*it is tried again/s, BOOT_MS);
    const machine = await world.machineIs('deaf', 'Failed', BOOT_MS);
    expect(findCondition(machine.status?.conditions, 'Ready')?.reason).toBe('InspectionTimeout');
    expect(messageOf(machine as never)).toMatch(
      /^Host host-1 sent no inspection report until .*It fetched its boot script: look at its console/,
    );
    await world.isFreeAndOff();
    world.consoleIsClean();
  });
});

describeWithVms('kill -9 of Beskar7 during a real boot', () => {
  const world = new VmWorld('vm-killed');
  beforeAll(() => world.boot('bios'));
  afterAll(() => world.stop());
  afterEach(() => world.gone('survivor'));

  const firmware = ['while firmware starts', /SeaBIOS/] as const;
  const kernel = ['while the kernel starts', /Linux version|beskar7: inspector/] as const;
  const report = ['when the report is being sent', /sends the report/] as const;
  const image = ['while the target image is fetched', /fetches the target image/] as const;
  const final = ['while the final OS starts', /starts the final OS/] as const;

  // Neighbours are in different boots: a process that was killed is there again before the next sign comes.
  test.each([{ kills: [firmware, report, final] }, { kills: [kernel, image] }])(
    '$kills.0.0, $kills.1.0, ...: provisioned by one boot',
    async ({ kills }) => {
      const { boots } = world.server.state;
      const before = readConsole(world.consoleFile).length;
      await world.addMachine('survivor', world.wants());
      for (const [, sign] of kills) {
        await untilConsole(world.consoleFile, sign, BOOT_MS, before);
        await world.beskar7.kill('SIGKILL');
        await world.startBeskar7();
      }
      await world.machineIs('survivor', 'Provisioned', BOOT_MS);
      expect(world.server.state.boots).toBe(boots + 1);
      world.consoleIsClean();
    },
  );
});
