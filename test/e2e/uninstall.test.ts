import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { FINALIZER_HOST, FINALIZER_MACHINE, FINALIZER_SECRET } from '../../crds/names.ts';
import { SECRETS } from '../../kube/resource.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { resets } from '../support/atTheBmc.ts';
import { World } from '../support/world.ts';

jest.setTimeout(180_000);

const ROOT = path.join(__dirname, '../..');
const NAMESPACE = 'e2e-uninstall';
const page = readFileSync(path.join(ROOT, 'docs/uninstall.md'), 'utf8');
const world = new World(NAMESPACE);
let isStopped = false;

beforeAll(async () => {
  await world.start({ hosts: 3, profile: 'generic' });
});
afterAll(async () => {
  if (!isStopped) await world.stop();
});

/** The commands of a step of the page, as they stand there. */
function step(number: number): string {
  const [, text = ''] = new RegExp(`^${number}\\. ([\\s\\S]*?)(?=^\\d\\. |^For \`npm start\`)`, 'm').exec(page) ?? [];
  const [, commands = /`(temporal [^`]+)`/.exec(text)?.[1] ?? ''] = /```sh\n([^`]*)```/.exec(text) ?? [];
  expect(commands).not.toBe('');
  return commands;
}

/** Runs commands of the page with the tools of this world, in its namespaces only. Gives what they say. */
async function run(commands: string): Promise<string> {
  const { kubectl, adminKubeconfig, temporalCli, temporalAddress, dataFolder } = world.plane;
  const file = path.join(dataFolder, `${NAMESPACE}.sh`);
  const shims = [
    `kubectl() { '${kubectl}' --kubeconfig '${adminKubeconfig}' "$@"; }`,
    // It asks whether the namespace is really meant: the name is typed once more.
    `temporal() { echo ${NAMESPACE} | '${temporalCli}' "$@" --address '${temporalAddress}'; }`,
    `cd '${ROOT}'`,
  ];
  const here = commands.replaceAll(' -A ', ` -n ${NAMESPACE} `).replaceAll('-n beskar7', `-n ${NAMESPACE}`);
  writeFileSync(file, `${shims.join('\n')}\n${here}\n`);
  const { code, output } = await runCommand('/bin/sh', ['-eu', file], { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`${commands}: ${output}`);
  return output;
}

test('step 1 and 2 delete machines and hosts: every server is off, and nothing is left that a finalizer holds', async () => {
  await world.fleet.fault('sim-0002', { neverReports: true });
  for (const host of ['host-1', 'host-2']) {
    await world.kubectl('label', 'physicalhost', host, `only=${host}`);
    await world.addMachine(`on-${host}`, { hostSelector: { matchLabels: { only: host } } });
  }
  await world.machineIs('on-host-1', 'Provisioned');
  await world.machineIs('on-host-2', 'Inspecting');
  world.serverOf('host-3').server.press('On');
  for (const machine of ['on-host-1', 'on-host-2'])
    expect((await world.machine(machine))?.metadata.finalizers).toContain(FINALIZER_MACHINE);
  expect((await world.host('host-3'))?.metadata.finalizers).toContain(FINALIZER_HOST);
  const secret = () => world.admin.get(SECRETS, NAMESPACE, 'bmc');
  expect((await secret()).metadata.finalizers).toEqual([FINALIZER_SECRET]);

  // kubectl waits until they are gone, as a person would see it.
  await run(step(1));
  for (const host of ['host-1', 'host-2']) {
    expect(await world.machine(`on-${host}`)).toBeUndefined();
    expect(world.serverOf(host).server.state.power).toBe('Off');
  }
  expect(resets(world, 'host-1')).toEqual(['On', 'GracefulShutdown']);
  expect(world.serverOf('host-3').server.state.power).toBe('On');

  expect(await run(step(2))).toMatch(/No resources found/);
  for (const host of ['host-1', 'host-2', 'host-3']) {
    expect(await world.host(host)).toBeUndefined();
    expect(world.serverOf(host).server.state.power).toBe('Off');
  }
  // The last host has taken its mark off: the Secret and its namespace can go.
  expect((await secret()).metadata.finalizers).toBeUndefined();
  await world.kubectl('delete', 'secret', 'bmc', '--timeout=10s');
});

test('step 3 names what is installed', async () => {
  // Not for real: other tests go on with these kinds. The API server looks at each object and deletes none.
  const output = await run(step(3).replace('kubectl delete ', 'kubectl delete --dry-run=server '));
  for (const kind of ['physicalhosts', 'beskar7machines', 'beskar7clusters', 'beskar7machinetemplates'])
    expect(output).toMatch(new RegExp(`"${kind}\\.infrastructure\\.cluster\\.x-k8s\\.io" deleted`));
  expect(output).toMatch(/serviceaccount "beskar7-worker"/);
});

test('step 4 deletes the Temporal namespace', async () => {
  await world.stop();
  isStopped = true;
  await run(step(4));
  await expect(run(`temporal operator namespace describe -n ${NAMESPACE}`)).rejects.toThrow(/not found/);
});
