#!/usr/bin/env node
// The launcher of the plugin: plain JavaScript. It continues in this process with the bundle of the plugin, which it
// makes where that is due and esbuild is there; else where Node can run TypeScript as it is (22.19 or newer) with the
// source, else under the Node of the dependencies.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > 22 || (major === 22 && minor >= 19)) {
  const { start } = await import(await entry());
  await start();
} else {
  const node = path.join(folder, '..', 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (!existsSync(node)) {
    process.stderr.write(`kubectl-beskar7: needs Node 22.19 or newer, this is ${process.version}\n`);
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 128 + os.constants.signals[signal] : (code ?? 1)));
}

/**
 * The bundle, or the source where none can be made: an installation without development dependencies, or one that
 * cannot be written.
 */
async function entry() {
  const cache = path.join(folder, '..', 'node_modules', '.cache', 'kubectl-beskar7');
  try {
    const { bundlePlugin, currentBundle } = await import('../tools/cli/bundle.mjs');
    const bundle = currentBundle() ?? (await bundlePlugin());
    // Node keeps what it compiled; it continues without where the folder cannot be written.
    module.enableCompileCache(path.join(cache, 'compiled'));
    return pathToFileURL(bundle).href;
  } catch {
    return './start.ts';
  }
}
