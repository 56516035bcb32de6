import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { launchBrowser } from '../web/chromium.ts';

/**
 * `npm run web:screenshots`: the pictures of README and docs, taken from a Beskar7 that runs, with the machines of
 * docs/images/scene.yaml (docs/images/README.md says how). Exit code 1 when a view does not come within 20 s.
 */

interface Options {
  readonly url: string;
  readonly out: string;
  readonly token?: string;
  readonly temporalUi: string;
}

/** The machines of docs/images/scene.yaml. */
const SCENE = { namespace: 'default', failed: 'database-01', waiting: 'gpu-01' };
const TEMPORAL = { width: 1300, height: 900 };
const WIDE = { width: 1200, height: 700 };
const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };

const { url, out, token, temporalUi } = new Command('npm run web:screenshots --')
  .description('Takes the screenshots for README and docs from a running Beskar7.')
  .option('--url <address>', 'the web page', 'http://127.0.0.1:8090/')
  .option('--out <folder>', 'where they go', path.join(import.meta.dirname, '..', '..', 'docs', 'images'))
  .option('--token <token>', 'to log in with, where that is asked for')
  .option('--temporal-ui <address>', "Temporal's Web UI", 'http://127.0.0.1:8233/namespaces/beskar7/workflows')
  .parse()
  .opts<Options>();

await mkdir(out, { recursive: true });
const browser = await launchBrowser();
try {
  await take('web-fleet', { viewport: WIDE }, showFleet);
  await take('web-fleet-dark', { viewport: WIDE, colorScheme: 'dark' }, showFleet);
  await take('web-phone', PHONE, showFleet);
  await take('web-host', { viewport: { width: 1200, height: 860 } }, async (page) => {
    await show(page, '#/hosts?state=Ready', '.rows-body .c-name a');
    await page.locator('.rows-body .c-name a').first().click();
    await page.locator('.report').waitFor();
  });
  await take('web-machine', { viewport: { width: 1200, height: 860 } }, async (page) => {
    await show(page, '#/machines?state=Provisioned', '.rows-body .c-name a');
    await page.locator('.rows-body .c-name a').first().click();
    await page.locator('.timeline .step').first().waitFor();
  });
  await take('web-failed', { viewport: { width: 1200, height: 860 } }, async (page) => {
    await show(page, '#/machines?state=Failed', '.rows-body .c-name a');
    await page.locator('.rows-body .c-name a').first().click();
    await page.locator('.timeline .step').first().waitFor();
  });
  await take('web-failures', { viewport: WIDE }, (page) => show(page, '#/failures', 'text=database-01'));
  const { namespace, failed, waiting } = SCENE;
  await takeTemporal('temporal-list', `?query=${encodeURIComponent('WorkflowType="provisionMachine"')}`, (page) =>
    page.getByText(`provision/${namespace}/${failed}`).first().waitFor(),
  );
  const run = (machine: string) => `/${encodeURIComponent(`provision/${namespace}/${machine}`)}`;
  await takeTemporal('temporal-run', run(failed), (page) => page.getByText('PXE boot of').first().waitFor());
  await takeTemporal('temporal-details', run(waiting), async (page) => {
    await page.getByText('User Metadata').click();
    await page.getByText('Current Details').first().waitFor();
    await page.getByText(waiting).nth(1).waitFor();
  });
  await takeTemporal('temporal-cancel', run(waiting), async (page) => {
    await page.getByRole('button', { name: 'Request Cancellation' }).click();
    await page.getByRole('dialog').waitFor();
  });
  await takeTemporal('temporal-reset', run(failed), async (page) => {
    await page.getByRole('button', { name: 'Reset', exact: true }).click();
    await page.getByRole('dialog').waitFor();
  });
} catch (error) {
  process.stderr.write(`beskar7: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function take(name: string, options: BrowserContextOptions, go: (page: Page) => Promise<void>): Promise<void> {
  await picture(name, options, async (page) => {
    await page.goto(url);
    if (token !== undefined) {
      await page.getByLabel('Bearer token').fill(token);
      await page.getByRole('button', { name: 'Log in' }).click();
    }
    await go(page);
  });
}

async function takeTemporal(name: string, where: string, go: (page: Page) => Promise<void>): Promise<void> {
  await picture(name, { viewport: TEMPORAL }, async (page) => {
    await page.goto(`${temporalUi}${where}`);
    await go(page);
  });
}

async function picture(name: string, options: BrowserContextOptions, go: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ colorScheme: 'light', reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  await go(page);
  await page.screenshot({ path: path.join(out, `${name}.png`), animations: 'disabled' });
  await context.close();
  process.stdout.write(`${path.join(out, name)}.png\n`);
}

function showFleet(page: Page): Promise<void> {
  return show(page, '#/hosts', '.rows-body .row');
}

async function show(page: Page, hash: string, ready: string): Promise<void> {
  // The page navigates by itself: a part behind # is not loaded again.
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.locator(ready).first().waitFor();
}
