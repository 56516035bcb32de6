import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { describe } from '@jest/globals';
import { chromiumPath } from '../../tools/web/chromium.ts';

export { launchBrowser } from '../../tools/web/chromium.ts';

if (chromiumPath === undefined)
  process.stderr.write(
    'beskar7: the tests of the web page are SKIPPED: there is no Chromium (apt-get install chromium, or set BESKAR7_CHROMIUM)\n',
  );

/** `describe` for tests that need a browser: they are skipped, with their number in the summary, when there is none. */
export const describeInBrowser = chromiumPath === undefined ? describe.skip : describe;

/** What went wrong in the page by itself: exceptions, and errors of the console (a refused inline style is one). */
export type PageErrors = string[];

/** A page in a context of its own, with everything bounded by `timeoutMs`, and what goes wrong in it by itself. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
  timeoutMs = 10_000,
): Promise<{ page: Page; errors: PageErrors }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(timeoutMs);
  const page = await context.newPage();
  const errors: PageErrors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  return { page, errors };
}

/** What axe-core finds serious or critical in the page as it is: one line each, with the elements. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const file = path.join(process.cwd(), 'node_modules', 'axe-core', 'axe.min.js');
  // By the debugger, not as an element: the page's Content-Security-Policy stays as strict as it is.
  await page.evaluate(await readFile(file, 'utf8'));
  return page.evaluate(async () => {
    interface Finding {
      id: string;
      impact?: string;
      help: string;
      nodes: { target: string[]; failureSummary?: string }[];
    }
    const axe = (globalThis as unknown as { axe: { run(): Promise<{ violations: Finding[] }> } }).axe;
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, help, nodes }) =>
          `${id}: ${help}: ${nodes
            .slice(0, 4)
            .map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary?.split('\n')[1]?.trim()})`)
            .join('; ')}`,
      );
  });
}
