import { existsSync } from 'node:fs';
import process from 'node:process';
import { chromium, type Browser } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser's path: `BESKAR7_CHROMIUM`, else where Debian and others put it; undefined when there is none. */
export const chromiumPath = process.env.BESKAR7_CHROMIUM ?? PLACES.find((place) => existsSync(place));

/** A headless Chromium; the caller closes it. Throws when there is none, or when it does not start within 30 s. */
export function launchBrowser(): Promise<Browser> {
  if (chromiumPath === undefined)
    throw new Error('there is no Chromium: apt-get install chromium, or set BESKAR7_CHROMIUM to its path');
  // Chromium's sandbox refuses to run as root, as which containers and CI run.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: chromiumPath, args, headless: true, timeout: 30_000 });
}
