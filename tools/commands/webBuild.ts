import { buildWeb } from '../web/build.ts';

/**
 * `npm run web:build`: the page into `web/dist`; with `--if-changed` only when its sources are others than those of the
 * last time.
 */

const began = Date.now();
const isBuilt = await buildWeb({ force: !process.argv.includes('--if-changed') });
process.stderr.write(isBuilt ? `web/dist built in ${Date.now() - began} ms\n` : 'web/dist is up to date\n');
