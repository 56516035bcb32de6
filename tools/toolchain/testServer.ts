import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findOnPath, runCommand } from './command.ts';

const POM = path.join(import.meta.dirname, '..', 'java', 'pom.xml');

/**
 * The time-skipping test server: Java on Maven Central, with a two-line script around it that takes a port. Throws when Java or Maven is
 * missing, or Maven fails.
 */
export async function installTestServer(target: string): Promise<void> {
  const [java, mvn] = [await findOnPath('java'), await findOnPath('mvn')];
  if (java === undefined || mvn === undefined) throw new Error(`${java ? 'mvn' : 'java'} is not on PATH`);
  const jars = `${target}-jars`;
  const work = `${jars}.${process.pid}.tmp`;
  await mkdir(work, { recursive: true });
  try {
    const args = ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${work}`];
    const { code, output } = await runCommand(mvn, args, { timeoutMs: 15 * 60_000 });
    if (code !== 0)
      throw new Error(`mvn dependency:copy-dependencies failed: ${output.trim().split('\n').slice(-5).join(' | ')}`);
    if ((await readdir(work)).length === 0) throw new Error('mvn copied no files');
    await rm(jars, { recursive: true, force: true });
    await rename(work, jars);
    const script = `#!/bin/sh\nexec '${java}' -cp '${jars}/*' io.temporal.testserver.TestServer "$1" --enable-time-skipping\n`;
    await writeFile(`${target}.tmp`, script);
    await chmod(`${target}.tmp`, 0o755);
    await rename(`${target}.tmp`, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
