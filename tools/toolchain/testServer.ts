import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findOnPath, runCommand } from './command.ts';
import { fetchFile, withAgent } from './download.ts';

const JAVA_FOLDER = path.join(import.meta.dirname, '..', 'java');
const MAVEN_CENTRAL = 'https://repo1.maven.org/maven2/';
const AT_ONCE = 4;
const MAVEN_MS = 15 * 60_000;

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
    await writeFile(`${target}.tmp`, scriptText(java, jars));
    await chmod(`${target}.tmp`, 0o755);
    await rename(`${target}.tmp`, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function scriptText(java: string, jars: string): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const classPath = quoted(`${jars}/*`);
  return `#!/bin/sh\nexec ${quoted(java)} -cp ${classPath} io.temporal.testserver.TestServer "$1" --enable-time-skipping\n`;
}

async function requireOnPath(name: string): Promise<string> {
  const file = await findOnPath(name);
  if (file === undefined) throw new Error(`${name} is not on PATH`);
  return file;
}
