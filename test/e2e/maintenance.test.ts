import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { FINALIZER_SECRET } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import { resets } from '../support/atTheBmc.ts';
import { told } from '../support/conditions.ts';
import { World } from '../support/world.ts';
import { runCommand } from '../../tools/toolchain/command.ts';

jest.setTimeout(120_000);

const world = new World('e2e-maintenance');
const HOSTS = 5;
const names = Array.from({ length: HOSTS }, (_, index) => `m-${index + 1}`);

beforeAll(() => world.start({ hosts: HOSTS, profile: 'generic', bootTimeMs: 2_000, powerDelayMs: 500 }));
afterAll(() => world.stop());

describe('maintenance', () => {
  test('a host marked unschedulable is passed over, says so, and is taken again', async () => {
    for (let index = 1; index <= HOSTS; index += 1)
      await world.kubectl('annotate', 'physicalhost', `host-${index}`, 'beskar7.io/unschedulable=disk swap');
    await world.addMachine('m-1');
    const machine = await world.untilMachine('m-1', 'waiting', (seen) => told(seen).startsWith('NoMatchingHost'));
    expect(told(machine)).toContain(`${HOSTS} marked unschedulable`);
    await world.kubectl('annotate', 'physicalhost', 'host-2', 'beskar7.io/unschedulable-');
    expect((await world.machineIs('m-1', 'Provisioned')).status?.hostRef?.name).toBe('host-2');
    await world.kubectl('annotate', 'physicalhosts', '--all', 'beskar7.io/unschedulable-');
  });

  test('processes are replaced one after another while servers boot: nobody notices', async () => {
    for (const name of names.slice(1)) await world.addMachine(name);
    await world.machineIs('m-2', 'Inspecting');
    const next = await world.startAnother('next', ['--roles=controllers,worker,bmc-worker']);
    await world.beskar7.stop();
    await world.startBeskar7();
    await next.stop();
    for (const name of names) {
      const { hostRef } = (await world.machineIs(name, 'Provisioned')).status ?? {};
      expect(resets(world, hostRef?.name ?? '')).toEqual(['On']);
    }
    expect(await world.temporalCli('workflow', 'list', '--query', failedRuns(), '-o', 'json')).toMatch(
      /^\s*(\[\s*\])?\s*$/,
    );
  });

  test('Beskar7 is removed as docs/uninstall.md says, and the servers run on', async () => {
    await world.beskar7.stop();
    const before = names.map((_, index) => world.serverOf(`host-${index + 1}`).recorder.requests);
    const script = uninstallScript();
    const { code, output } = await runCommand('/bin/sh', ['-eu', script], { timeoutMs: 60_000 });
    expect({ code, output }).toMatchObject({ code: 0 });
    for (const [index, name] of names.entries()) {
      await world.machineIsGone(name);
      await world.hostIsGone(`host-${index + 1}`);
      expect(world.serverOf(`host-${index + 1}`).server.state.running).toBe('os');
    }
    expect(names.map((_, index) => world.serverOf(`host-${index + 1}`).recorder.requests)).toEqual(before);
    // The Secret is still marked: with the page's last line it can go.
    expect((await bmcSecret()).metadata.finalizers).toEqual([FINALIZER_SECRET]);
    await world.kubectl('delete', 'secret', 'bmc', '--wait=false');
    expect((await bmcSecret()).metadata.deletionTimestamp).toBeDefined();
    const secretScript = pageScript(secretLine().replace('bmc-credentials', `bmc -n ${world.namespace}`));
    expect(await runCommand('/bin/sh', ['-eu', secretScript], { timeoutMs: 60_000 })).toMatchObject({ code: 0 });
    await world.kubectl('wait', '--for=delete', 'secret/bmc', '--timeout=10s');
    await world.startBeskar7();
  });
});

function failedRuns(): string {
  return `Beskar7Namespace = "${world.namespace}" AND ExecutionStatus != "Running" AND ExecutionStatus != "Completed"`;
}

const bmcSecret = () => world.admin.get(SECRETS, world.namespace, 'bmc');

function page(): string {
  return readFileSync(path.join(__dirname, '../../docs/uninstall.md'), 'utf8');
}

/** The commands of "Leave the servers alone", in this world's namespace only, with its kubectl. */
function uninstallScript(): string {
  const [, commands = ''] = /## Leave the servers alone[^`]*```sh\n([^`]*)```/.exec(page()) ?? [];
  expect(commands).toContain('"finalizers":null');
  return pageScript(commands.replaceAll(' -A ', ` -n ${world.namespace} `));
}

/** The last line: the mark of the Secret. */
function secretLine(): string {
  const [, line = ''] = /`(kubectl patch secret [^`]*)`/.exec(page()) ?? [];
  expect(line).toContain('bmc-credentials');
  return line;
}

function pageScript(commands: string): string {
  const { kubectl, adminKubeconfig, dataFolder } = world.plane;
  const file = path.join(dataFolder, `uninstall-${world.namespace}.sh`);
  const shim = `kubectl() { '${kubectl}' --kubeconfig '${adminKubeconfig}' "$@"; }\n`;
  writeFileSync(file, shim + commands);
  return file;
}
