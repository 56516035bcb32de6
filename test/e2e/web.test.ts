import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { ANNOTATION_FORCE_RELEASE } from '../../crds/names.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import type { Component } from '../../tools/controlplane/component.ts';
import type { Failures, HostDetail, MachineDetail } from '../../web/shared/api.ts';
import { isFreeAndOff, resets } from '../support/atTheBmc.ts';
import { describeInBrowser, launchBrowser, openPage } from '../support/browser.ts';
import { WebClient } from '../support/webClient.ts';
import { World } from '../support/world.ts';
import { ensurePageBuilt } from '../web/fakeServer.ts';

jest.setTimeout(180_000);

const NAMESPACE = 'e2e-web';
const world = new World(NAMESPACE, ['--inspection-timeout=60s']);
/** Pins a machine to a host. */
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });
const tokens = { viewer: '', operator: '', stranger: '' };
/** Asks for a token; and for nothing, at this machine. */
let withToken: WebClient;
let embedded: WebClient;
let second: Component;

beforeAll(async () => {
  ensurePageBuilt();
  const [port = 0, open = 0] = await freePorts(2);
  withToken = new WebClient(`http://127.0.0.1:${port}/`);
  embedded = new WebClient(`http://127.0.0.1:${open}/`);
  world.flags.push(`--web-bind-address=127.0.0.1:${port}`);
  await world.start({ hosts: 4, profile: 'generic' });
  for (let index = 1; index <= 4; index += 1)
    await world.kubectl('label', 'physicalhost', `host-${index}`, `only=host-${index}`);
  second = await world.startAnother('web', [
    '--roles=web',
    `--web-bind-address=127.0.0.1:${open}`,
    '--web-auth=none',
    '--web-temporal-ui-url=http://127.0.0.1:8233',
  ]);
  for (const [name, ...rights] of [
    ['viewer', '--verb=get,list', '--resource=physicalhosts,beskar7machines'],
    ['operator', '--verb=get,list,patch', '--resource=physicalhosts,beskar7machines'],
  ] as const) {
    await world.kubectl('create', 'role', name, ...rights);
    await world.kubectl('create', 'rolebinding', name, `--role=${name}`, `--serviceaccount=${NAMESPACE}:${name}`);
  }
  for (const name of ['viewer', 'operator', 'stranger'] as const) {
    await world.kubectl('create', 'serviceaccount', name);
    tokens[name] = (await world.kubectl('create', 'token', name, '--duration=1h')).trim();
    world.witness.secrets.set(tokens[name], `the token of ${name}`);
  }
});
afterAll(async () => {
  await second?.stop();
  await world.stop();
});

describe('the server of the page', () => {
  test('serves the page and its parts, with headers that let nothing else in, and only once', async () => {
    const page = await embedded.get<string>('');
    expect(page.status).toBe(200);
    expect(page.body).toContain('<script type="module"');
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'/);
    const etag = page.headers.get('etag') ?? '';
    expect((await embedded.get('', { 'If-None-Match': etag })).status).toBe(304);
    const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(page.body)?.[1] ?? '';
    const asset = await embedded.get<string>(script);
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect((await embedded.get('../package.json')).status).toBe(404);
    expect((await embedded.get('..%2f..%2fpackage.json')).status).toBe(404);
  });

  test('the machine’s steps, what it was measured by, and the host’s report', async () => {
    await world.addMachine('first', { ...on('host-1'), hardwareRequirements: { minCPUCores: 2, minMemoryGB: 8 } });
    await world.machineIs('first', 'Provisioned');
    const machine = await embedded.until<MachineDetail>(
      `api/machines/${NAMESPACE}/first`,
      ({ steps }) => steps.length >= 8 && steps.every(({ state }) => state === 'done'),
    );
    expect(machine.steps.map(({ name }) => name)).toEqual([
      ...['Claim a host', 'Switch the server off', 'Wait for its turn to power on', 'Boot from the network'],
      ...['Wait for the report', 'Check the hardware', 'Open the bootstrap data', 'Wait for the hand-over'],
    ]);
    expect(machine).toMatchObject({
      row: { phase: 'Provisioned', host: { name: 'host-1' } },
      providerID: `b7://${NAMESPACE}/host-1/first`,
      requirements: [
        { name: 'CPU cores', asked: 2, found: 16 },
        { name: 'Memory', asked: 8, found: 64 },
      ],
    });
    expect(machine.workflows[0]?.url).toBe(
      `http://127.0.0.1:8233/namespaces/${NAMESPACE}/workflows/provision%2F${NAMESPACE}%2Ffirst`,
    );
    const { body: host } = await embedded.get<HostDetail>(`api/hosts/${NAMESPACE}/host-1`);
    expect(host).toMatchObject({
      row: { state: 'Ready', power: 'On', bmc: 'Reachable', consumer: { name: 'first' } },
      claim: { stage: 'HandedOver' },
    });
    expect(host.reports).toHaveLength(1);
    expect(host.reports[0]?.report.cpus?.cores).toBe(16);
    expect(host.events.map(({ reason }) => reason)).toContain('InspectionComplete');
  });

  test('a failure is counted by its reason, with how long the steps took; the earlier report stays readable', async () => {
    await world.kubectl('delete', 'beskar7machine', 'first');
    await world.hostIs('host-1', 'Available');
    await world.fleet.fault('sim-0001', { smallHardware: true });
    await world.addMachine('demanding', { ...on('host-1'), hardwareRequirements: { minCPUCores: 16 } });
    await world.machineIs('demanding', 'Failed');
    const isThere = ({ reasons }: Failures) => reasons.some(({ lastMachine }) => lastMachine.name === 'demanding');
    const failures = await embedded.until<Failures>('api/failures', isThere, 60_000);
    // Other worlds of this run have failures, too.
    const { count } = failures.reasons.find(({ lastMachine }) => lastMachine.name === 'demanding') ?? {};
    expect(failures.reasons).toContainEqual(
      expect.objectContaining({
        reason: 'HardwareRequirementsNotMet',
        lastMachine: { namespace: NAMESPACE, name: 'demanding' },
      }),
    );
    expect(count).toBeGreaterThan(0);
    expect(failures.buckets).toHaveLength(24);
    expect(failures.durations.map(({ step }) => step)).toContain('Boot from the network');
    await isFreeAndOff(world, 'host-1');
    const { body: host } = await embedded.get<HostDetail>(`api/hosts/${NAMESPACE}/host-1`);
    const cores = host.reports.map(({ report }) => report.cpus?.cores ?? 0);
    expect(cores).toHaveLength(2);
    expect(cores[1]).toBe(16);
    expect(cores[0]).toBeLessThan(16);
    await world.fleet.heal();
    // The third one changes the ConfigMap that the second one made.
    await world.addMachine('third', on('host-1'));
    await world.machineIs('third', 'Provisioned');
    const { body: now } = await embedded.get<HostDetail>(`api/hosts/${NAMESPACE}/host-1`);
    expect(now.reports.map(({ report }) => report.cpus?.cores)).toEqual([16, cores[0], 16]);
    expect(await world.kubectl('get', 'configmap', 'host-1.beskar7-reports', '-o', 'name')).toContain('configmap');
  });

  test('answers to no other name where it asks for no log-in, and to no request of another page', async () => {
    await embedded.session();
    expect((await embedded.post(`api/machines/${NAMESPACE}/third/cancel`, {}, { 'X-CSRF-Token': 'x' })).status).toBe(
      403,
    );
    const foreign = { 'Sec-Fetch-Site': 'cross-site' };
    expect((await embedded.post(`api/machines/${NAMESPACE}/third/cancel`, {}, foreign)).status).toBe(403);
    const { body, status } = await embedded.post<{ error: string }>(`api/machines/${NAMESPACE}/third/retry`);
    expect({ body, status }).toEqual({
      body: { error: 'The machine is provisioned: there is nothing to try again.' },
      status: 409,
    });
  });
});

describe('a log-in with the token of a ServiceAccount', () => {
  test('is refused without one, with a wrong one, and to one who may see nothing', async () => {
    const nobody = new WebClient(withToken.url);
    for (const path of ['api/events', 'api/failures', `api/hosts/${NAMESPACE}/host-1`])
      expect((await nobody.get(path)).status).toBe(401);
    expect(await nobody.logIn('not.a.token')).toMatchObject({ status: 401 });
    expect(nobody.cookie).toBe('');
    const stranger = new WebClient(withToken.url);
    expect((await stranger.logIn(tokens.stranger)).status).toBe(200);
    expect((await stranger.get(`api/hosts/${NAMESPACE}/host-1`)).status).toBe(403);
    expect((await stranger.get('api/events')).status).toBe(403);
  });

  test('shows what the person may see, and does what the person may do, as that person', async () => {
    const viewer = new WebClient(withToken.url);
    const { body } = await viewer.logIn(tokens.viewer);
    expect(body.user).toBe(`system:serviceaccount:${NAMESPACE}:viewer`);
    const fleet = await viewer.fleet();
    expect(fleet.hosts.map(({ name }) => name).sort()).toEqual(['host-1', 'host-2', 'host-3', 'host-4']);
    const path = `api/machines/${NAMESPACE}/demanding`;
    const { body: seen } = await viewer.get<MachineDetail>(path);
    expect(seen.events).toEqual([]);
    expect(seen.actions.find(({ kind }) => kind === 'retry')?.refusal).toMatch(/viewer may not patch beskar7machines/);
    expect((await viewer.post(`${path}/retry`)).status).toBe(403);
    expect((await world.machine('demanding'))?.metadata.annotations?.['beskar7.io/retry']).toBeUndefined();

    const operator = new WebClient(withToken.url);
    await operator.logIn(tokens.operator);
    const before = (await world.machine('demanding'))?.status?.workflow?.runID;
    expect((await operator.post(`${path}/retry`)).status).toBe(202);
    await world.untilMachine(
      'demanding',
      'in another run',
      ({ status }) => status?.phase === 'Claiming' && status.workflow?.runID !== before,
    );
    expect((await operator.post('api/logout')).status).toBe(204);
    expect((await operator.get(path)).status).toBe(401);
  });

  test('a force release reaches the host with reason and name, only while it makes sense', async () => {
    const operator = new WebClient(withToken.url);
    await operator.logIn(tokens.operator);
    const path = `api/hosts/${NAMESPACE}/host-3/force-release`;
    expect((await operator.post(path, { reason: 'because' })).status).toBe(409);
    await world.addMachine('dead', on('host-3'));
    await world.machineIs('dead', 'Provisioned');
    await world.fleet.fault('sim-0003', { refuse: true });
    await world.kubectl('delete', 'beskar7machine', 'dead', '--wait=false');
    await world.untilHost(
      'host-3',
      'being released',
      (host) => host.metadata.annotations?.['beskar7.io/claim']?.includes('Releasing') ?? false,
    );
    expect((await operator.post(path, { reason: ' ' })).status).toBe(400);
    expect((await operator.post(path, { reason: 'unplugged, ticket 4711' })).status).toBe(202);
    await world.machineIsGone('dead');
    const events = await world.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}');
    expect(events).toContain(`unplugged, ticket 4711 (system:serviceaccount:${NAMESPACE}:operator)`);
    await world.fleet.heal();
    const host = await world.hostIs('host-3', 'Available');
    expect(host.metadata.annotations?.[ANNOTATION_FORCE_RELEASE]).toBeUndefined();
  });
});

describeInBrowser('the page in Chromium, with the real Beskar7 behind it', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  const row = (page: Page, name: string) => page.locator('.rows-body .row').filter({ hasText: name });

  test('shows the fleet, and follows it without being asked', async () => {
    const { page, errors } = await openPage(browser, {}, 30_000);
    await page.goto(embedded.url);
    await row(page, 'host-2').getByText('Available').waitFor();
    await world.addMachine('live', on('host-2'));
    await row(page, 'host-2').getByText('live').waitFor();
    await row(page, 'host-2').getByText('Ready').waitFor();
    await page.getByRole('link', { name: 'host-2' }).click();
    await page.locator('.report').first().waitFor();
    await page.evaluate(`location.hash = '#/machines/${NAMESPACE}/live'`);
    await page.locator('.timeline .step').filter({ hasText: 'Wait for the hand-over' }).waitFor();
    await page.evaluate(`location.hash = '#/failures'`);
    await page.locator('.reasons tbody tr').filter({ hasText: 'HardwareRequirementsNotMet' }).waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });

  test('cancel and retry come to their effect at the BMC', async () => {
    await world.fleet.fault('sim-0004', { neverReports: true });
    await world.addMachine('stuck', on('host-4'));
    await world.machineIs('stuck', 'Inspecting');
    const { page, errors } = await openPage(browser, {}, 30_000);
    await page.goto(`${embedded.url}#/machines/${NAMESPACE}/stuck`);
    await page.locator('.timeline .step').filter({ hasText: 'Wait for the report' }).waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the provisioning' }).click();
    await page.getByText('is being cancelled').waitFor();
    await world.machineIs('stuck', 'Failed');
    await isFreeAndOff(world, 'host-4');
    await page.getByText('Cancelled').first().waitFor();
    const since = performance.now();
    await world.fleet.heal();
    await page.locator('button[aria-disabled="false"]').getByText('Retry', { exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await world.machineIs('stuck', 'Provisioned');
    expect(resets(world, 'host-4', since)).toContain('On');
    await page.getByText('Provisioned').first().waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  });

  test('asks for a token: a wrong one is refused, a right one gets in and out again', async () => {
    const { page } = await openPage(browser, {}, 30_000);
    await page.goto(withToken.url);
    await page.getByLabel('Bearer token').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').filter({ hasText: 'does not accept this token' }).waitFor();
    await page.getByLabel('Bearer token').fill(tokens.viewer);
    await page.getByRole('button', { name: 'Log in' }).click();
    await row(page, 'host-1').waitFor();
    const cookies = await page.context().cookies();
    expect(cookies).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);
    expect(JSON.stringify(cookies)).not.toContain(tokens.viewer);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Bearer token').waitFor();
    await page.context().close();
  });
});
