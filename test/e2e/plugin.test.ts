import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { Plugin } from '../support/plugin.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const world = new World('e2e-plugin', ['--resync=2s']);
const { namespace } = world;
let plugin: Plugin;
let cancelledRun = '';
/** Pins a machine to a host, so that the test knows where its faults are. */
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });

beforeAll(async () => {
  await world.start({ hosts: 3, profile: 'generic' });
  plugin = new Plugin(world);
  for (const host of ['host-1', 'host-2', 'host-3']) await world.kubectl('label', 'physicalhost', host, `only=${host}`);
});
afterAll(async () => {
  await world.stop();
  plugin.remove();
});

describe('hosts and machines', () => {
  test('`kubectl beskar7 hosts`: kubectl finds the plugin on the PATH', async () => {
    const { code, stdout, stderr } = await plugin.shell(`kubectl beskar7 hosts -n ${namespace}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head, ...rows] = stdout.trimEnd().split('\n');
    expect(head?.split(/\s+/)).toEqual(['NAME', 'STATE', 'POWER', 'BMC', 'MACHINE', 'REASON', 'AGE']);
    expect(rows.map((row) => row.split(/\s+/).slice(0, 6))).toEqual(
      ['host-1', 'host-2', 'host-3'].map((name) => [name, 'Available', 'Off', 'Reachable', '-', 'Enrolled']),
    );
    // Not a terminal.
    expect(stdout).not.toContain('\u001b');
  });

  test('formats, selectors, filters, all namespaces', async () => {
    expect((await plugin.out('hosts', '-o', 'name', '-l', 'only=host-2')).trim()).toBe(
      'physicalhost.infrastructure.cluster.x-k8s.io/host-2',
    );
    const list = await plugin.json<{ items: { kind: string; metadata: object; status: object }[] }>('hosts');
    expect(list.items.map(({ kind }) => kind)).toEqual(['PhysicalHost', 'PhysicalHost', 'PhysicalHost']);
    expect(list.items[0]?.metadata).not.toHaveProperty('managedFields');
    expect(await plugin.out('hosts', '-o', 'yaml')).toMatch(/^apiVersion: v1\nkind: List\n/);
    expect(await plugin.out('hosts', '-o', 'wide')).toMatch(/ADDRESS.*MAC.*\n.*127\.0\.0\.1/);
    expect(await plugin.out('hosts', '-A', '--no-headers', '-l', 'only=host-1')).toMatch(
      new RegExp(`^${namespace}\\s+host-1\\s+Available`, 'm'),
    );
    expect(await plugin.out('hosts', '--state', 'error,Ready', '-o', 'name')).toBe('');
  });

  test('--reason knows each reason that is shown; -w goes on with each change, under the same headers, and tells what is gone', async () => {
    const watching = plugin.start('hosts', '-w', '--reason', 'Unschedulable,Enrolled', '-l', 'only=host-2');
    await watching.until(/^NAME .*\nhost-2 +Available .* Enrolled .*\n$/);
    await world.kubectl('annotate', 'physicalhost', 'host-2', 'beskar7.io/unschedulable=new fan');
    const lines = (await watching.until(/ Unschedulable .*\n/)).trimEnd().split('\n');
    expect(lines.filter((line) => line.startsWith('NAME'))).toHaveLength(1);
    expect(lines.at(-1)?.indexOf('Unschedulable')).toBe(lines[0]?.indexOf('REASON'));
    expect(await plugin.out('hosts', '--reason', 'Unschedulable', '-o', 'name')).toMatch(/\/host-2\n$/);
    await world.kubectl('label', 'physicalhost', 'host-2', 'only=nobody', '--overwrite');
    await watching.until(/\nhost-2 +Gone .*\n$/);
    await world.kubectl('label', 'physicalhost', 'host-2', 'only=host-2', '--overwrite');
    await watching.until(/ Gone .*\nhost-2 +Available .*\n$/);
    watching.end();
    expect(await watching.ended).toMatchObject({ stderr: '' });
    const enrolled = plugin.start('hosts', '-w', '--reason', 'Unschedulable', '-l', 'only=host-2', '-o', 'name');
    await enrolled.until(/^.*\/host-2\n$/);
    await world.kubectl('annotate', 'physicalhost', 'host-2', 'beskar7.io/unschedulable-');
    await enrolled.until(/^.*\/host-2\n.*\/host-2\n$/);
    enrolled.end();
    await enrolled.ended;
    const yaml = plugin.start('hosts', '-w', '-o', 'yaml', '-l', 'only=host-2');
    await yaml.until(/^kind: List\n/m);
    await world.kubectl('label', 'physicalhost', 'host-2', 'seen=yes');
    const text = await yaml.until(/\n---\n[\s\S]*seen: "?yes/);
    expect(parseAllDocuments(text).flatMap(({ errors }) => errors)).toEqual([]);
    yaml.end();
    await yaml.ended;
  });

  test('nothing there: no data, a word for the person, and no error', async () => {
    expect(await plugin.run('machines')).toEqual({
      code: 0,
      stdout: '',
      stderr: `No beskar7machines found in namespace ${namespace}.\n`,
    });
  });

  test('the reader of a pipe goes away: quiet', async () => {
    const { stderr, stdout } = await plugin.shell(`kubectl-beskar7 hosts -o json -n ${namespace} | head -c 1`);
    expect({ stderr, stdout }).toEqual({ stderr: '', stdout: '{' });
  });
});

describe('a provisioning that waits', () => {
  test('explain says for what, until when, and gives the lines; trace shows the steps', async () => {
    await world.fleet.fault('sim-0001', { neverReports: true });
    await world.addMachine('m-1', on('host-1'));
    await world.machineIs('m-1', 'Inspecting');
    const text = await plugin.out('explain', 'm-1');
    expect(text).toMatch(new RegExp(`^Machine ${namespace}/m-1 is Inspecting: its server is on`));
    expect(text).toMatch(/Its run waits for the report of the inspection image, since \S+ \(\d+ s ago\), in attempt 1/);
    expect(text).toMatch(/Its host is host-1 \(Inspecting/);
    expect(text).toMatch(/At the latest \S+ \(in 10 min\) the wait is over/);
    expect(text).toContain(`kubectl beskar7 -n ${namespace} cancel m-1`);
    expect(await plugin.json('explain', 'b7m/m-1')).toMatchObject({
      object: 'beskar7machine.infrastructure.cluster.x-k8s.io/m-1',
      state: expect.stringContaining('is Inspecting'),
      youCan: expect.arrayContaining([expect.stringContaining('trace m-1')]),
    });
    const steps = await plugin.out('trace', 'm-1');
    expect(steps).toMatch(new RegExp(`^provision/${namespace}/m-1, run `));
    expect(steps).toMatch(/done\s+Claim a host\s+\S+ m?s\s+host-1\n/);
    expect(steps).toMatch(/waiting\s+Wait for the report\s+until \S+ at most\n/);
  });

  test('explain of its host', async () => {
    const text = await plugin.out('explain', 'host/host-1');
    expect(text).toContain(`It is claimed by machine ${namespace}/m-1`);
    expect(text).toContain(`kubectl beskar7 -n ${namespace} explain machine/m-1`);
  });

  test('cancel asks; where nobody can be asked it does nothing without --yes', async () => {
    const { code, stdout, stderr } = await plugin.run('cancel', 'm-1');
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(/- The server host-1 is powered off[\s\S]*use --yes/);
    expect((await world.machine('m-1'))?.status?.phase).toBe('Inspecting');
  });

  test.each([
    ['n', 'n\r'],
    ['nothing', '\r'],
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('at a terminal it says what will happen and asks: %s is a no', async (_what, keys) => {
    const asking = plugin.atTerminal(`kubectl beskar7 -n ${namespace} cancel m-1`);
    expect(await asking.until(/\[y\/N\]/)).toMatch(/- The server host-1 is powered off[\s\S]*Cancel/);
    asking.type(keys);
    const { code, stdout } = await asking.ended;
    expect({ code, stdout }).toEqual({ code: 4, stdout: expect.stringMatching(/\n[^\n]*Nothing was done\.\s*$/) });
    expect((await world.machine('m-1'))?.status?.phase).toBe('Inspecting');
  });

  test('colours at a terminal, and not with NO_COLOR', async () => {
    const line = `kubectl beskar7 -n ${namespace} hosts -l only=host-1`;
    expect((await plugin.atTerminal(line).ended).stdout).toMatch(/host-1 +\u001b\[34mInspecting\u001b\[39m/);
    expect((await plugin.atTerminal(line, { NO_COLOR: '1' }).ended).stdout).toMatch(/host-1 +Inspecting/);
  });

  test('cancel --yes: the server is off, the host free, the machine Failed; `trace -f` sees it to its end', async () => {
    const since = performance.now();
    const following = plugin.start('trace', 'm-1', '-f');
    await following.until(/waiting\s+Wait for the report/);
    expect(await plugin.out('cancel', 'machine/m-1', '--yes', '--reason', 'wrong rack')).toMatch(
      /m-1 cancel requested/,
    );
    await world.machineIs('m-1', 'Failed');
    await isFreeAndOff(world, 'host-1');
    expect(await plugin.out('trace', 'm-1', '--bmc')).toMatch(/done\s+Waits until host host-1 is released/);
    // One run releases a host, whoever asks for it: the power-off stands in its timeline.
    expect(await plugin.out('trace', 'host/host-1', '--bmc')).toMatch(
      /^release\/\S+\/host-1, (.*\n)*?\s+\d{4}-\S+Z POST \S+ComputerSystem\.Reset 20\d in \d+ ms\n/,
    );
    expect(resets(world, 'host-1', since).at(-1)).toMatch(/Off/);
    const { code, stdout, stderr } = await following.ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/Cancel requested\s.*wrong rack/);
    expect(stdout).toMatch(/cancelled\s+Wait for the report/);
    expect(stdout).toMatch(/done\s+Release the host[\s\S]*The run has ended: CANCELLED\.\n$/);
    expect((await plugin.run('cancel', 'm-1', '--yes')).code).toBe(4);
    cancelledRun = /, run (\S+),/.exec(stdout)?.[1] ?? '';
  });

  test('explain says that nothing happens by itself, and the line that it gives tries again', async () => {
    const { youCan } = await plugin.json<{ youCan: string[] }>('explain', 'm-1');
    const line = youCan.find((one) => one.startsWith('Try again: '))?.slice('Try again: '.length) ?? '';
    await world.fleet.heal();
    const { code, stdout } = await plugin.shell(line);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        'beskar7machine.infrastructure.cluster.x-k8s.io/m-1 retry requested; a new provisioning starts in a moment\n',
    });
    await world.machineIs('m-1', 'Provisioned');
    const again = await plugin.run('retry', 'm-1');
    expect(again).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('nothing to try again') });
    expect((await plugin.run('trace', 'm-1', '-f')).code).toBe(0);
    expect(await plugin.out('trace', 'm-1', '--run', cancelledRun)).toMatch(/The run has ended: CANCELLED\.\n$/);
    expect(await plugin.json('trace', 'm-1')).toMatchObject({ status: 'COMPLETED', steps: expect.any(Array) });
    expect((await plugin.run('trace', 'm-1', '--run', '0')).code).toBe(3);
  });

  test('machines shows it, with its host', async () => {
    expect(await plugin.out('machines', '--no-headers')).toMatch(/^m-1\s+Provisioned\s+host-1\s+InspectionComplete\s/);
    expect(await plugin.out('machines', '--phase', 'failed', '-o', 'name')).toBe('');
  });
});

describe('report', () => {
  test('what is in the server, and what changed since the report before', async () => {
    const text = await plugin.out('report', 'host-1');
    expect(text).toMatch(/Cores\s+16/);
    expect(text).toMatch(/Disks\n\s+DEVICE\s+SIZE\s+KIND/);
    expect((await plugin.run('report', 'host-1', '--diff')).code).toBe(3);
    await world.kubectl('delete', 'beskar7machine', 'm-1', '--wait=false');
    await world.machineIsGone('m-1');
    await isFreeAndOff(world, 'host-1');
    await world.fleet.fault('sim-0001', { smallHardware: true });
    await world.addMachine('m-1', { ...on('host-1'), hardwareRequirements: { minCPUCores: 16 } });
    await world.machineIs('m-1', 'Failed');
    const diff = await plugin.out('report', 'host-1', '--diff');
    expect(diff).toMatch(/Processors\n[\s\S]*- cores: 16\n\+ cores: \d+\n/);
    const { changes } = await plugin.json<{ changes: object[] }>('report', 'host-1', '--diff');
    expect(changes).toContainEqual(expect.objectContaining({ group: 'Processors', what: 'cores', before: '16' }));
    expect(await plugin.json('report', 'host-1', '--list')).toHaveLength(2);
    expect(await plugin.json('report', 'host-1', '--back', '1')).toHaveProperty('cpus.cores', 16);
  });
});

describe('force-release', () => {
  test('a host whose BMC is dead: explained, refused without confirmation, freed with it, the reason in an event', async () => {
    await world.addMachine('m-3', on('host-3'));
    await world.machineIs('m-3', 'Provisioned');
    const refused = await plugin.run('force-release', 'host-3', '--reason', 'x', '--yes');
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('not being released') });
    await world.fleet.fault('sim-0003', { refuse: true });
    await world.kubectl('delete', 'beskar7machine', 'm-3', '--wait=false');
    await world.untilHost('host-3', 'being released', ({ status }) =>
      (status?.conditions ?? []).some(({ reason }) => reason === 'ReleasePending'),
    );
    expect(await plugin.out('explain', 'host/host-3')).toContain(
      `kubectl beskar7 -n ${namespace} force-release host-3 --reason`,
    );
    expect((await plugin.run('force-release', 'host-3', '--reason', 'burnt down')).code).toBe(4);
    expect((await plugin.run('force-release', 'host-3', '--yes')).code).toBe(2);
    const asking = plugin.atTerminal(`kubectl beskar7 -n ${namespace} force-release host-3 --reason "burnt down"`);
    await asking.until(/without confirmed power-off\? \[y\/N\]/);
    asking.type('y\r');
    expect(await asking.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('released by force') });
    await world.machineIsGone('m-3');
    expect(await world.kubectl('get', 'events')).toMatch(/ForceReleased[\s\S]*burnt down/);
    await world.fleet.heal();
    await world.hostIs('host-3', 'Available');
  });
});

describe('exit codes', () => {
  test('wrong usage, not found, not reachable, not allowed', async () => {
    expect((await plugin.run('hots')).code).toBe(2);
    expect((await plugin.run('explain', 'pod/x')).code).toBe(2);
    expect((await plugin.run('hosts', '--state', 'Sleepy')).code).toBe(2);
    expect((await plugin.run('--context', 'nowhere', 'hosts')).code).toBe(2);
    const without = await plugin.spawn(path.join(plugin.folder, 'kubectl-beskar7'), ['hosts'], { KUBECONFIG: '' })
      .ended;
    expect(without).toEqual({
      code: 2,
      stdout: '',
      stderr: 'kubectl-beskar7: There is no kubeconfig: set KUBECONFIG or --kubeconfig.\n',
    });
    expect((await plugin.run('explain', 'nobody')).code).toBe(3);
    expect((await plugin.run('trace', 'nobody')).code).toBe(3);
    expect((await plugin.run('trace', 'm-1', '--temporal-address', '127.0.0.1:1')).code).toBe(6);
    await world.kubectl('create', 'serviceaccount', 'nobody');
    const token = (await world.kubectl('create', 'token', 'nobody')).trim();
    const kubeconfig = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: world.plane.apiServerUrl, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    });
    const file = `${plugin.folder}/nobody.kubeconfig`;
    writeFileSync(file, kubeconfig, { mode: 0o600 });
    expect((await plugin.run('hosts', '--kubeconfig', file)).code).toBe(5);
    writeFileSync(file, kubeconfig.replace(/"server":"[^"]*"/, '"server":"https://127.0.0.1:1"'), { mode: 0o600 });
    expect((await plugin.run('hosts', '--kubeconfig', file)).code).toBe(6);
  });

  test('explain does without Temporal, and says so', async () => {
    const { code, stdout, stderr } = await plugin.run('explain', 'm-1', '--temporal-address', '127.0.0.1:1');
    expect(code).toBe(0);
    expect(stdout).toContain('HardwareRequirementsNotMet');
    expect(stderr).toContain('Temporal cannot be reached at 127.0.0.1:1');
  });

  test('--help of every command is data on standard output', async () => {
    for (const words of [
      [],
      ['hosts'],
      ['machines'],
      ['explain'],
      ['trace'],
      ['report'],
      ['retry'],
      ['cancel'],
      ['force-release'],
      ['export'],
      ['doctor'],
      ['completion'],
    ]) {
      const { code, stdout, stderr } = await plugin.run(...words, '--help');
      expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: kubectl-beskar7 /);
    }
  });
});
