import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { findOnPath, runCommand } from './command.ts';
import type { GoBuild } from './pins.ts';

const TOOLS = path.join(import.meta.dirname, '..', 'go');
const LIMIT_MS = 40 * 60_000;

/**
 * Builds a tool from the Go module proxy, pinned by go.mod and go.sum in tools/go. Throws when there is no Go, or it
 * fails.
 */
export async function buildWithGo(build: GoBuild, target: string): Promise<void> {
  const go = await findOnPath('go');
  if (go === undefined) throw new Error('Go is not on PATH');
  const work = `${target}.${process.pid}.build`;
  await mkdir(path.dirname(target), { recursive: true });
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags', `-s -w ${build.ldflags ?? ''}`.trim()];
  try {
    const { code, output } = await runCommand(go, ['build', ...flags, '-o', work, build.package], {
      cwd: path.join(TOOLS, build.module),
      env: { ...process.env, GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' },
      timeoutMs: LIMIT_MS,
    });
    if (code !== 0)
      throw new Error(`go build ${build.package} failed: ${output.trim().split('\n').slice(-5).join(' | ')}`);
    await rename(work, target);
  } finally {
    await rm(work, { force: true });
  }
}
