import path from 'node:path';
import { findOnPath, runCommand } from '../toolchain/command.ts';

const MODULE_FOLDER = path.join(import.meta.dirname, '..', 'go', 'cluster-api');

/**
 * The folder with the source of the pinned Cluster API, in Go's module cache: its CustomResourceDefinitions and
 * webhooks. Throws without Go.
 */
export async function clusterApiSource(): Promise<string> {
  const go = await findOnPath('go');
  if (go === undefined)
    throw new Error('beskar7: Go is not on PATH: the manifests of Cluster API come out of its module');
  const { code, output, stdout } = await runCommand(go, ['mod', 'download', '-json', 'sigs.k8s.io/cluster-api'], {
    cwd: MODULE_FOLDER,
    env: { ...process.env, GOFLAGS: '-mod=mod' },
    timeoutMs: 120_000,
  });
  const folder = code === 0 ? (JSON.parse(stdout) as { Dir?: string }).Dir : undefined;
  if (folder === undefined) throw new Error(`beskar7: the module of Cluster API cannot be had: ${output.trim()}`);
  return folder;
}
