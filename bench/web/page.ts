import type { Browser } from 'playwright-core';
import { beginRecording, endRecording } from '../../tools/web/pageWork.ts';

const VIEW = { width: 1280, height: 800 };
const TURNS = 60;

/** What the page did in a real browser. Milliseconds. */
export interface PageFigures {
  /** From the start of the navigation to the first rows. */
  readonly firstRows: number;
  /**
   * The longest task of the page's thread while the list was scrolled from end to end; by the clock, and of the
   * processor.
   */
  readonly longestTask: number;
  readonly longestTaskCpu: number;
  /** Bytes that came over the wire until the first rows, and how many of them were the event stream's. */
  readonly bytes: number;
}

/** Opens the page, waits for all hosts, scrolls through them. `hosts` is the number that it has to say. */
export async function visit(browser: Browser, url: string, hosts: number): Promise<PageFigures> {
  const context = await browser.newContext({ viewport: VIEW, reducedMotion: 'reduce' });
  try {
    context.setDefaultTimeout(60_000);
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    let bytes = 0;
    network.on('Network.dataReceived', ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.addInitScript(`
      new MutationObserver((_, observer) => {
        if (!document.querySelector('.rows-body .row')) return;
        performance.mark('first-row');
        observer.disconnect();
      }).observe(document, { childList: true, subtree: true });
    `);
    await beginRecording(browser, page);
    await page.goto(url);
    await page.getByText(`${hosts.toLocaleString('en-US')} hosts`).waitFor();
    await page.evaluate(`performance.mark('scroll-begins')`);
    await page.mouse.move(600, 500);
    for (let turn = 0; turn < TURNS; turn += 1) {
      await page.mouse.wheel(0, turn < TURNS / 2 ? 900 : 40_000 - turn * 1_000);
      await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => resolve()))');
    }
    await page.evaluate(`performance.mark('scroll-ends')`);
    const firstRows = (await page.evaluate(`performance.getEntriesByName('first-row')[0]?.startTime`)) as number;
    const between = await endRecording(browser);
    const { longestTaskMs, longestTaskCpuMs } = between('scroll-begins', 'scroll-ends');
    return { firstRows: Math.round(firstRows), longestTask: longestTaskMs, longestTaskCpu: longestTaskCpuMs, bytes };
  } finally {
    await context.close();
  }
}
