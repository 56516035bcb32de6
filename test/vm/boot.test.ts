import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { claimOf } from '../../crds/claim.ts';
import { findCondition } from '../../crds/conditions.ts';
import { VM_DEFAULTS } from '../../simulator/vm/options.ts';
import { ensureVmImages } from '../../tools/vm/images.ts';
import { describeWithVms, readConsole } from '../support/vm/machines.ts';
import { World } from '../support/world.ts';

// The images are built the first time.
jest.setTimeout(900_000);

/** Without KVM, and while the machine does other things as well. */
const BOOT_MS = 180_000;

describeWithVms.each(['bios', 'uefi'] as const)('a machine with %s firmware really boots', (firmware) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-boot-'));
  const world = new World(`vm-${firmware}`);
  const consoleFile = path.join(folder, 'sim-0001', 'console.log');

  beforeAll(async () => {
    const images = await ensureVmImages(() => undefined);
    world.flags.push(`--images-folder=${images.folder}`);
    world.seenAs = '10.0.2.2';
    await world.start({ hosts: 1, profile: 'generic', vm: { ...VM_DEFAULTS, firmware, folder } });
  });

  afterAll(async () => {
    await world.stop();
    rmSync(folder, { recursive: true });
  });

  test('hardware below the requirements: Failed with what was found, switched off, free', async () => {
    await world.addMachine('greedy', { hardwareRequirements: { minCPUCores: 64, minMemoryGB: 512, minDiskGB: 1 } });
    const machine = await world.machineIs('greedy', 'Failed', BOOT_MS);
    expect(findCondition(machine.status?.conditions, 'Ready')?.message).toMatch(
      /minCPUCores: 64 asked for, 1 found.*minMemoryGB: 512 asked for/s,
    );
    const host = await world.hostIs('host-1', 'Available');
    expect(claimOf(host)).toBeUndefined();
    expect(world.serverOf('host-1').server.state.power).toBe('Off');
    // Everything that the image did is on the serial console, and no secret among it.
    const said = readConsole(consoleFile);
    expect(said).toMatch(/beskar7/);
    for (const secret of world.witness.secrets.keys()) expect(said).not.toContain(secret);
    await world.kubectl('delete', 'beskar7machine', 'greedy');
  });
});
