// The launcher: plain JavaScript without dependencies, for Node 20 or newer. It installs what package-lock.json names,
// then continues under the bundled Node 24, which runs the TypeScript of this project as it is.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const STAMP = path.join(ROOT, 'node_modules', '.beskar7-install');
/** What `npm run <name>` can be; the value is the file that does it. */
const COMMANDS = {
  start: 'tools/commands/start.ts',
  up: 'tools/commands/start.ts',
  'demo:vm': 'tools/commands/start.ts',
  test: 'tools/commands/test.ts',
  lint: 'tools/commands/test.ts',
  bench: 'bench/main.ts',
  'bench:callbacks': 'bench/callbacks/main.ts',
  'bench:web': 'bench/web/main.ts',
  'bench:matching': 'bench/matching/main.ts',
  chaos: 'test/chaos/main.ts',
  simulator: 'simulator/main.ts',
  beskar7: 'workers/main.ts',
  codec: 'codec/main.ts',
  toolchain: 'tools/commands/toolchain.ts',
  generate: 'tools/commands/generate.ts',
  release: 'tools/commands/release.ts',
  'web:build': 'tools/commands/webBuild.ts',
  'web:screenshots': 'tools/commands/webScreenshots.ts',
  'inspector:build': 'tools/commands/inspectorBuild.ts',
};

const [command = '', ...args] = process.argv.slice(2);
const file = COMMANDS[command];
if (file === undefined)
  fail(`beskar7: there is no command "${command}"; commands are ${Object.keys(COMMANDS).join(', ')}`);
await install();
run(findNode(), [
  path.join(ROOT, file),
  ...({ up: ['--up'], 'demo:vm': ['--vm'], lint: ['--lint'] }[command] ?? []),
  ...args,
]);

/** Runs `npm ci` when node_modules is not what package-lock.json says. */
async function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(path.join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (existsSync(STAMP) ? readFileSync(STAMP, 'utf8') === wanted : isInstalledByHand()) return;
  const npm = process.env.npm_execpath;
  const words = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const [file, first] = npm ? [process.execPath, [npm]] : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []];
  const status = await withProgress(spawn(file, [...first, ...words], { cwd: ROOT, stdio: ['ignore', 2, 2] }));
  if (status !== 0) fail('beskar7: npm ci failed; its output above says why. Is the npm registry reachable?', 1);
  writeFileSync(STAMP, wanted);
  // So that the first call of the plugin does not have to; it says so itself where that is not possible.
  spawnSync(findNode(), [path.join(ROOT, 'tools', 'cli', 'bundle.mjs')], { cwd: ROOT, stdio: ['ignore', 2, 2] });
}

/** The exit code of `npm ci`, with a line that is rewritten on a terminal, else one after 1, 2, 4 ... minutes. */
function withProgress(child) {
  const began = Date.now();
  const line = () => {
    const seconds = Math.round((Date.now() - began) / 1000);
    return `beskar7: installs the npm dependencies (npm ci; usually 1 to 2 minutes, 0.8 GB of disk${seconds > 120 ? '; longer than usual, still running' : ''}) ... ${seconds} s`;
  };
  const isTerminal = process.stderr.isTTY;
  process.stderr.write(isTerminal ? line() : `${line()}\n`);
  let next = 60;
  const timer = setInterval(() => {
    if (isTerminal) process.stderr.write(`\r${line()}\u001b[K`);
    else if (Date.now() - began >= next * 1000) {
      process.stderr.write(`${line()}\n`);
      next *= 2;
    }
  }, 1_000);
  return new Promise((resolve) => {
    const end = (code) => {
      clearInterval(timer);
      if (isTerminal) process.stderr.write('\r\u001b[K');
      resolve(code);
    };
    child.on('error', () => end(1));
    child.on('exit', (code) => end(code ?? 1));
  });
}

/**
 * Whether `npm ci` or `npm install` after package-lock.json last changed, with the development
 * dependencies.
 */
function isInstalledByHand() {
  const npmsOwn = path.join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(npmsOwn) || !existsSync(path.join(ROOT, 'node_modules', 'typescript'))) return false;
  return statSync(npmsOwn).mtimeMs >= statSync(path.join(ROOT, 'package-lock.json')).mtimeMs;
}

/**
 * The Node that came with the dependencies; the running one where there is none for this platform and it is new enough.
 */
function findNode() {
  const bundled = path.join(ROOT, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(bundled)) return bundled;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 19)) return process.execPath;
  return fail(
    `beskar7: no bundled Node for ${process.platform}-${process.arch}; install Node 24 (this is ${process.version})`,
  );
}

function run(node, words) {
  const bin = path.join(ROOT, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
  const child = spawn(node, words, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to both; other signals are passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  // npm passes a SIGTERM on to its shell only, which ends without telling us: then our parent is another one.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event)
    setInterval(() => {
      if (process.ppid !== parent) child.kill('SIGTERM');
    }, 500).unref();
  child.on('exit', (code, signal) => process.exit(signal ? 128 + os.constants.signals[signal] : (code ?? 1)));
  child.on('error', (error) => fail(`beskar7: cannot run ${node}: ${error.message}`, 1));
}

function fail(message, code = 2) {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}
