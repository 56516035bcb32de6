import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchBrowser, openPage, seriousFindings } from '../support/browser.ts';
import { hostRow } from './fakeFleet.ts';
import { ensurePageBuilt, FakeServer, fleetOf } from './fakeServer.ts';

describeInBrowser('the web page in Chromium', () => {
  let browser: Browser;
  const servers: FakeServer[] = [];
  const serve = async (options: ConstructorParameters<typeof FakeServer>[0]) => {
    const server = await new FakeServer(options).start();
    servers.push(server);
    return server;
  };

  beforeAll(async () => {
    ensurePageBuilt();
    browser = await launchBrowser();
  }, 150_000);
  afterAll(async () => {
    await browser?.close();
    await Promise.all(servers.map((server) => server.stop()));
  });

  const rows = (page: Page) => page.locator('.rows-body .row');
  const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name }).waitFor();

  it('shows the fleet, filters by state and by search, and keeps the filter in the address', async () => {
    const server = await serve(fleetOf(200));
    const { page, errors } = await openPage(browser);
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Error 4', exact: true }).click();
    await expect(rows(page).count()).resolves.toBe(4);
    expect(page.url()).toContain('state=Error');
    await page.getByRole('button', { name: 'All 200' }).click();
    for (const [text, name] of [
      ['SN100013', 'rack1-14'],
      ['52:54:00:00:00:0d', 'rack1-14'],
      ['worker-13', 'rack1-14'],
      ['RACK2-03', 'rack2-03'],
    ] as const) {
      await page.getByRole('searchbox', { name: 'Search' }).fill(text);
      await page.waitForFunction((name) => document.querySelector('.rows-body a')?.textContent === name, name);
    }
    await page.getByRole('searchbox', { name: 'Search' }).fill('supermicro zone-c');
    await page.getByText(/^66 of 200 hosts/).waitFor();
    await page.reload();
    await page.getByText(/^66 of 200 hosts/).waitFor();
    await page.getByRole('searchbox', { name: 'Search' }).fill('no such host');
    await page.getByText('No host fits this filter.').waitFor();
    expect(errors).toEqual([]);
    await page.context().close();
  }, 40_000);

  it('follows changes without being asked, and goes on after the stream was cut where it had stopped', async () => {
    const server = await serve(fleetOf(20));
    const { page } = await openPage(browser);
    await page.goto(server.url);
    await rows(page).first().waitFor();
    server.change({ hosts: [hostRow(0, { state: 'Error', bmc: 'Unreachable' })] });
    await rows(page).filter({ hasText: 'rack1-01' }).getByText('Error').waitFor();
    server.change({ goneHosts: [{ namespace: 'default', name: 'rack1-02' }] });
    await page.getByText(/^19 hosts/).waitFor();
    server.dropStreams();
    server.change({ hosts: [hostRow(4, { name: 'born-while-cut', state: 'Enrolling' })] });
    await page.getByRole('link', { name: 'born-while-cut' }).waitFor();
    expect(server.resumedFrom[0]).toBeUndefined();
    expect(server.resumedFrom[1]).toBe('3');
    await page.getByRole('status').filter({ hasText: 'live' }).waitFor();
    await page.context().close();
  }, 40_000);

  it('comes back after a server that refused, and after a stream that fell silent', async () => {
    const server = await serve(fleetOf(20));
    const { page } = await openPage(browser);
    await page.clock.install();
    await page.goto(server.url);
    await page.clock.runFor(1000);
    await rows(page).first().waitFor();
    server.refusals = 2;
    server.dropStreams();
    await page.getByRole('status').filter({ hasText: 'trying again' }).waitFor();
    while (server.resumedFrom.length < 2) await page.clock.runFor(1000);
    expect(server.refusals).toBe(0);
    await page.getByRole('status').filter({ hasText: 'live' }).waitFor();
    server.beat();
    server.change({ hosts: [hostRow(0, { state: 'Error' })] });
    while ((await rows(page).filter({ hasText: 'Error' }).count()) < 2) await page.clock.runFor(200);
    while (server.resumedFrom.length < 3) await page.clock.runFor(5000);
    expect(server.resumedFrom).toEqual([undefined, '1', '2']);
    await page.context().close();
  }, 40_000);

  it('asks for the whole picture again when it got a part of it only', async () => {
    const server = await serve(fleetOf(20));
    server.cutSnapshots = 2;
    const { page } = await openPage(browser);
    await page.goto(server.url);
    await page.getByText('20 hosts').waitFor();
    expect(server.resumedFrom).toEqual([undefined, undefined, undefined]);
    await page.context().close();
  }, 40_000);

  it('draws the inspection report of a host, and what changed since an earlier one', async () => {
    const server = await serve(fleetOf(20));
    const { page, errors } = await openPage(browser);
    await page.goto(`${server.url}#/hosts/default/rack1-02`);
    await heading(page, 'rack1-02');
    await page.getByRole('img', { name: '2 packages with 16 cores each' }).waitFor();
    const part = (name: string) => page.getByRole('region', { name, exact: true });
    await expect(part('Memory').locator('li').count()).resolves.toBe(8);
    await expect(part('Memory').innerText()).resolves.toContain('256 GiB');
    await expect(part('Disks').innerText()).resolves.toMatch(/nvme0n1\s+3\.84 TB\s+NVMe/);
    await expect(part('Network').innerText()).resolves.toMatch(/eno1\s+link up · 25 Gb\/s/);
    await expect(part('Network').innerText()).resolves.toMatch(/eno2\s+no link/);
    await expect(part('Controllers').innerText()).resolves.toContain('PERC H755');
    await expect(part('Accelerators').innerText()).resolves.toContain('L40S');
    await expect(part('Firmware').innerText()).resolves.toContain('2.3.5');
    await page.getByLabel('compare with').selectOption('r1');
    const diff = page.getByRole('region', { name: 'Differences' });
    await diff.waitFor();
    await expect(diff.locator('tbody tr').allInnerTexts()).resolves.toEqual([
      expect.stringMatching(/Memory\s+DIMM\.A7\s+was not there\s+32 GiB DDR5/),
      expect.stringMatching(/Memory\s+DIMM\.A8\s+was not there\s+32 GiB DDR5/),
    ]);
    expect(errors).toEqual([]);
    await page.context().close();
  }, 40_000);

  it('tells why a BMC does not answer and when it is asked again, and forces a release only with a reason', async () => {
    const server = await serve(fleetOf(20));
    const { page } = await openPage(browser);
    await page.clock.setFixedTime('2026-11-23T12:00:00Z');
    await page.goto(`${server.url}#/hosts/default/rack1-08`);
    await page.getByText('the BMC refused the credentials of Secret default/bmc (401)').waitFor();
    await page.getByText(/in 1 m/).waitFor();
    await page.getByRole('button', { name: 'Force release' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('The claim ends at once.').waitFor();
    await dialog.getByRole('button', { name: 'Force the release' }).click();
    expect(server.actions).toEqual([]);
    await dialog.getByRole('textbox').fill('unplugged, ticket 4711');
    await dialog.getByRole('button', { name: 'Force the release' }).click();
    await page.getByText('Asked for: force-release of default/rack1-08.').waitFor();
    expect(server.actions).toEqual([
      { path: 'hosts/default/rack1-08/force-release', body: { reason: 'unplugged, ticket 4711' }, csrf: 'csrf-1' },
    ]);
    await page.context().close();
  }, 40_000);

  it('draws a machine’s provisioning, and cancels it only after saying what will happen', async () => {
    const server = await serve(fleetOf(20));
    const { page, errors } = await openPage(browser);
    await page.clock.setFixedTime('2026-11-23T12:00:00Z');
    await page.goto(`${server.url}#/machines/default/worker-1`);
    const steps = page.locator('.timeline .step');
    await steps.first().waitFor();
    await expect(steps.allInnerTexts()).resolves.toEqual([
      expect.stringMatching(/Claim a host\s+1 s\s+rack1-02/),
      expect.stringMatching(/Power off\s+19 s\s+attempt 1.*the BMC answered 503/s),
      expect.stringMatching(/Boot from the network\s+30 s/),
      expect.stringMatching(/Wait for the report\s+5 m 50 s\s+waits/),
    ]);
    await page.getByText(/Waits: the inspection report of rack1-02, for 5 m 50 s, until/).waitFor();
    const requirements = page.getByRole('region', { name: 'Requested hardware' });
    await expect(requirements.locator('tbody tr').allInnerTexts()).resolves.toEqual([
      expect.stringMatching(/CPU cores.*16 cores.*32 cores\s+met/s),
      expect.stringMatching(/Memory.*512 GiB.*256 GiB\s+not met/s),
      expect.stringMatching(/Largest disk.*100 GB.*no report yet/s),
    ]);
    const retry = page.getByRole('button', { name: 'Retry' });
    await expect(retry.getAttribute('aria-disabled')).resolves.toBe('true');
    await retry.press('Enter');
    await page.getByRole('status').filter({ hasText: 'A provisioning is under way.' }).waitFor();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel this provisioning?' });
    await dialog.getByText('The server is switched off and seen off.').waitFor();
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(server.actions).toEqual([]);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await dialog.getByRole('button', { name: 'Cancel the provisioning' }).click();
    await page.getByText('Asked for: cancel of default/worker-1.').waitFor();
    expect(server.actions.map(({ path }) => path)).toEqual(['machines/default/worker-1/cancel']);
    expect(errors).toEqual([]);
    await page.context().close();
  }, 40_000);

  it('lists machines with why they wait, and failures by reason with the durations of the steps', async () => {
    const server = await serve(fleetOf(60));
    const { page } = await openPage(browser);
    await page.goto(`${server.url}#/machines`);
    await page.getByRole('button', { name: 'Pending 1', exact: true }).click();
    await page.getByText('NoMatchingHost: no free host fits').waitFor();
    await page.getByRole('link', { name: 'Failures' }).click();
    await heading(page, 'Failures');
    await expect(page.locator('.reasons tbody tr').first().innerText()).resolves.toMatch(/BootFailed\s+12\s+worker-1/);
    await page.getByRole('img', { name: /Failures in each span of 1 h 00 m/ }).waitFor();
    await page.getByRole('cell', { name: '1 m 35 s' }).waitFor();
    await page.context().close();
  }, 40_000);

  it('refuses a wrong token, lets a right one in, and asks again when the session has ended', async () => {
    const server = await serve({ ...fleetOf(20), token: 'right' });
    const { page } = await openPage(browser);
    await page.goto(server.url);
    await page.getByLabel('Bearer token').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').filter({ hasText: 'does not accept this token' }).waitFor();
    await page.getByLabel('Bearer token').fill('right');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('20 hosts').waitFor();
    await page.getByText('alice@example.com').waitFor();
    server.endSession();
    await page.getByLabel('Bearer token').waitFor();
    expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain('right');
    await page.context().close();
  }, 40_000);

  it('is used by keyboard alone', async () => {
    const server = await serve(fleetOf(2000));
    const { page } = await openPage(browser);
    await page.goto(server.url);
    await rows(page).first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('rack');
    await page.keyboard.press('Tab');
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    await expect(focused()).resolves.toBe('rack1-01');
    await page.keyboard.press('ArrowDown');
    await expect(focused()).resolves.toBe('rack1-02');
    await page.keyboard.press('End');
    await page.waitForFunction(() => document.activeElement?.textContent === 'rack50-40');
    await page.keyboard.press('Enter');
    await heading(page, 'rack50-40');
    await page.context().close();
  }, 40_000);

  it.each(['light', 'dark'] as const)(
    'has nothing that axe-core finds serious, in %s',
    async (colorScheme) => {
      const server = await serve({ ...fleetOf(60), token: 'right' });
      const { page, errors } = await openPage(browser, { colorScheme });
      await page.goto(server.url);
      await page.getByLabel('Bearer token').waitFor();
      expect(await seriousFindings(page)).toEqual([]);
      await page.getByLabel('Bearer token').fill('right');
      await page.getByRole('button', { name: 'Log in' }).click();
      await rows(page).first().waitFor();
      for (const [view, ready] of [
        ['hosts', '.rows-body .row'],
        ['machines', '.rows-body .row'],
        ['hosts/default/rack1-08', '.report'],
        ['machines/default/worker-1', '.timeline'],
        ['machines/default/broken', '.note.bad'],
        ['failures', '.chart'],
      ] as const) {
        await page.evaluate((hash) => (location.hash = hash), `#/${view}`);
        await page.locator(ready).first().waitFor();
        expect({ view, found: await seriousFindings(page) }).toEqual({ view, found: [] });
      }
      await page.evaluate(() => (location.hash = '#/machines/default/worker-1'));
      await page.getByRole('button', { name: 'Cancel', exact: true }).click();
      await page.getByRole('dialog').waitFor();
      expect(await seriousFindings(page)).toEqual([]);
      expect(errors).toEqual([]);
      await page.context().close();
    },
    90_000,
  );

  it('fits a phone of 360 pixels: nothing is wider than the screen', async () => {
    const server = await serve(fleetOf(60));
    const { page } = await openPage(browser, { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
    for (const [view, ready] of [
      ['hosts', '.rows-body .row'],
      ['machines', '.rows-body .row'],
      ['hosts/default/rack1-08', '.report'],
      ['machines/default/worker-1', '.timeline'],
      ['failures', '.chart'],
    ] as const) {
      await page.goto(`${server.url}#/${view}`);
      await page.locator(ready).first().waitFor();
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect({ view, width }).toEqual({ view, width: 360 });
    }
    await page.context().close();
  }, 40_000);

  it('keeps the colours that were chosen', async () => {
    const server = await serve(fleetOf(5));
    const { page } = await openPage(browser, { colorScheme: 'light' });
    await page.goto(server.url);
    const background = () =>
      page.evaluate(() => getComputedStyle(document.body.parentElement ?? document.body).backgroundColor);
    const light = await background();
    const change = page.getByRole('button', { name: /^Colours/ });
    await change.click();
    await change.click();
    await expect(change.innerText()).resolves.toBe('Dark');
    expect(await background()).not.toBe(light);
    await page.reload();
    await expect(change.innerText()).resolves.toBe('Dark');
    expect(await background()).not.toBe(light);
    await page.context().close();
  }, 40_000);
});
