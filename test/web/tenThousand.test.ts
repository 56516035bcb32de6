import { afterAll, beforeAll, expect, it } from '@jest/globals';
import os from 'node:os';
import process from 'node:process';
import type { Browser, Page } from 'playwright-core';
import { describeInBrowser, launchBrowser, openPage } from '../support/browser.ts';
import { hostRow } from './fakeFleet.ts';
import { beginRecording, endRecording, type PageWork } from '../../tools/web/pageWork.ts';
import { ensurePageBuilt, FakeServer, fleetOf } from './fakeServer.ts';

const HOSTS = 10_000;
/** A shared machine is now and then somebody else's for a second: the best of so many rounds counts. */
const ROUNDS = 3;

interface Figures {
  /** By the clock, from the start of the navigation to the first rows in the document. */
  firstRowMs: number;
  /** What the page's thread did until then. */
  first: PageWork;
  /** What it did while the list was scrolled from end to end and hosts changed. */
  scrolling: PageWork;
}

describeInBrowser('the web page with 10,000 hosts', () => {
  let browser: Browser;
  let server: FakeServer;

  beforeAll(async () => {
    ensurePageBuilt();
    browser = await launchBrowser();
    server = await new FakeServer(fleetOf(HOSTS)).start();
  }, 150_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it('shows its first rows within 1.5 s, and scrolls without a task over 100 ms while hosts change', async () => {
    const rounds: Figures[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push(await measure());
      if (isGood(rounds.at(-1))) break;
    }
    process.stderr.write(`10,000 hosts: ${JSON.stringify(rounds)}\n`);
    expect(rounds.filter(isGood)).toHaveLength(1);
  }, 120_000);

  it('keeps few rows in the document, and the right ones, wherever it is scrolled to', async () => {
    const { page } = await openPage(browser);
    await page.goto(server.url);
    await page.getByText('10,000 hosts').waitFor();
    for (const part of [0.25, 0.5, 0.999]) {
      await page.evaluate((part) => scrollTo(0, document.body.scrollHeight * part), part);
      await page.waitForFunction(rowsFillTheWindow);
      expect(await page.locator('.rows-body .row').count()).toBeLessThan(90);
    }
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.getByRole('link', { name: 'rack250-40', exact: true }).waitFor();
    await page.context().close();
  }, 40_000);

  async function measure(): Promise<Figures> {
    const { page } = await openPage(browser);
    await page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        if (!document.querySelector('.rows-body .row')) return;
        performance.mark('first-row');
        observer.disconnect();
      }).observe(document, { childList: true, subtree: true });
    });
    await beginRecording(browser, page);
    await page.goto(server.url);
    await page.getByText('10,000 hosts').waitFor();
    await page.waitForFunction(rowsFillTheWindow);
    await page.evaluate(() => performance.mark('scroll-begins'));
    await page.mouse.move(600, 500);
    for (let turn = 0; turn < 40; turn += 1) {
      await page.mouse.wheel(0, turn < 25 ? 900 : 60_000 - turn * 3000);
      if (turn % 10 === 0) server.change({ hosts: [hostRow(turn, { power: turn % 20 === 0 ? 'On' : 'Off' })] });
      await frame(page);
    }
    await page.evaluate(() => performance.mark('scroll-ends'));
    const firstRowMs = await page.evaluate(() => performance.getEntriesByName('first-row')[0]?.startTime ?? Infinity);
    const between = await endRecording(browser);
    await page.context().close();
    return {
      firstRowMs: Math.round(firstRowMs),
      first: between(undefined, 'first-row'),
      scrolling: between('scroll-begins', 'scroll-ends'),
    };
  }
});

/** The clock is believed on a machine that is not busy with others; the processor's time always. */
function isGood(figures: Figures | undefined): boolean {
  if (figures === undefined) return false;
  const { firstRowMs, first, scrolling } = figures;
  const isQuiet = (os.loadavg()[0] ?? 0) <= os.availableParallelism();
  const isFast = first.cpuMs <= 750 && scrolling.longestTaskCpuMs <= 100;
  return isFast && (!isQuiet || (firstRowMs <= 1500 && scrolling.longestTaskMs <= 100));
}

/** One drawing of the page. */
function frame(page: Page): Promise<void> {
  return page.evaluate(() => new Promise<void>((resolve) => requestAnimationFrame(() => resolve())));
}

/** In the page: rows are drawn from the top of the window to its end. */
function rowsFillTheWindow(): boolean {
  const rows = [...document.querySelectorAll('.rows-body .row')].map((row) => row.getBoundingClientRect());
  const body = document.querySelector('.rows-body')?.getBoundingClientRect();
  const first = rows[0];
  const last = rows.at(-1);
  if (!first || !last || !body) return false;
  // Half pixels are lost on the way.
  return first.top <= Math.max(0, body.top) + 1 && last.bottom >= Math.min(innerHeight, body.bottom) - 1;
}
