import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePorts } from '../controlplane/ports.ts';
import { findOnPath, runCommand } from './command.ts';
import { fetchFile, withAgent } from './download.ts';

const JAVA_FOLDER = path.join(import.meta.dirname, '..', 'java');
const MAVEN_CENTRAL = 'https://repo1.maven.org/maven2/';
const AT_ONCE = 4;
const MAVEN_MS = 15 * 60_000;
/** The archive of classes, beside the jars; and how long it may take to be made. */
const CLASSES = 'classes.jsa';
const ARCHIVE_MS = 120_000;

/**
 * The time-skipping test server from Maven Central: the jars of tools/java/jars.json, each held to its SHA-256, with a
 * two-line script around them that takes a port. Throws when Java is missing or a file cannot be had.
 */
export async function installTestServer(target: string): Promise<void> {
  const java = await requireOnPath('java');
  await withJars(target, java, async (folder) => {
    const jars = JSON.parse(await readFile(path.join(JAVA_FOLDER, 'jars.json'), 'utf8')) as Record<string, string>;
    const left = Object.entries(jars);
    await withAgent(async (agent) => {
      const fetchNext = async () => {
        for (let next = left.pop(); next; next = left.pop())
          await fetchFile(MAVEN_CENTRAL + next[0], next[1], path.join(folder, path.posix.basename(next[0])), agent);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, fetchNext));
    });
  });
}

/** The same by Maven, which knows the mirrors and proxies of its user's settings. */
export async function installTestServerWithMaven(target: string): Promise<void> {
  const [java, mvn] = [await requireOnPath('java'), await requireOnPath('mvn')];
  await withJars(target, java, async (folder) => {
    const pom = path.join(JAVA_FOLDER, 'pom.xml');
    const args = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`];
    const { code, output } = await runCommand(mvn, args, { timeoutMs: MAVEN_MS });
    if (code !== 0)
      throw new Error(`mvn dependency:copy-dependencies failed: ${output.trim().split('\n').slice(-5).join(' | ')}`);
  });
}

/**
 * For machines without Java: lets @temporalio/testing download a native server, which it does without a checksum, from
 * temporal.download.
 */
export async function downloadNativeTestServer(target: string): Promise<void> {
  // Not at the top: it loads the SDK's native library, which nothing else here needs.
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const folder = `${target}.${process.pid}.tmp`;
  await mkdir(folder, { recursive: true });
  try {
    const executable = { type: 'cached-download', downloadDir: folder } as const;
    const environment = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    await environment.teardown();
    const [file] = (await readdir(folder)).filter((name) => !name.endsWith('.downloading'));
    if (file === undefined) throw new Error('@temporalio/testing left no file');
    await rename(path.join(folder, file), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lets `fill` put the jars into a new folder, moves it into place, and writes the script. */
async function withJars(target: string, java: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const jars = `${target}-jars`;
  const work = `${jars}.${process.pid}.tmp`;
  await mkdir(work, { recursive: true });
  try {
    await fill(work);
    await rm(jars, { recursive: true, force: true });
    await rename(work, jars);
    await archiveClasses(java, jars);
    await writeFile(`${target}.tmp`, scriptText(java, jars));
    await chmod(`${target}.tmp`, 0o755);
    await rename(`${target}.tmp`, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Keeps the classes that a start loads as the JVM holds them (JEP 350): a start then costs a third of the time and the
 * processor, and the SDK gives a server only 5 s. Where it cannot be made (Java 11 and 12) the server starts without.
 */
async function archiveClasses(java: string, jars: string): Promise<void> {
  const [free] = await freePorts(1);
  const port = String(free);
  const classes = path.join(jars, CLASSES);
  const child = spawn(java, [...FAST_START, `-XX:ArchiveClassesAtExit=${classes}`, ...serverArguments(jars, port)], {
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => child.once('error', () => resolve()).once('exit', () => resolve()));
  const isOver = AbortSignal.any([AbortSignal.timeout(ARCHIVE_MS), whenSettled(ended)]);
  try {
    await listens(port, isOver);
    child.kill('SIGTERM');
    await Promise.race([ended, once(isOver, 'abort')]);
  } catch {
    // Not listening in time: no archive.
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

function whenSettled(promise: Promise<void>): AbortSignal {
  const controller = new AbortController();
  void promise.then(() => controller.abort());
  return controller.signal;
}

/** Rejects when the signal fires first. */
async function listens(port: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const socket = connect(Number(port), '127.0.0.1');
    try {
      return void (await once(socket, 'connect', { signal }));
    } catch {
      await setTimeout(50, undefined, { signal });
    } finally {
      socket.destroy();
    }
  }
}

/**
 * Tests start one server each for a minute at most: that pays for neither the second compiler nor a parallel collector.
 */
const FAST_START = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

function serverArguments(jars: string, port: string): string[] {
  return ['-cp', `${jars}/*`, 'io.temporal.testserver.TestServer', port, '--enable-time-skipping'];
}

function scriptText(java: string, jars: string): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const [cp, classPath = '', main = '', , flag = ''] = serverArguments(jars, '');
  const archive = quoted(`-XX:SharedArchiveFile=${path.join(jars, CLASSES)}`);
  return `#!/bin/sh
exec ${quoted(java)} ${FAST_START.join(' ')} -Xshare:auto ${archive} ${cp} ${quoted(classPath)} ${main} "$1" ${flag}
`;
}

async function requireOnPath(name: string): Promise<string> {
  const file = await findOnPath(name);
  if (file === undefined) throw new Error(`${name} is not on PATH`);
  return file;
}
