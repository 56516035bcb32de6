import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ownerOf, takeLock } from '../toolchain/lock.ts';
import { releaseFolder, watchFolder } from './watchdog.ts';

/** Where `npm start` keeps its data: `$XDG_STATE_HOME/beskar7`, else `~/.local/state/beskar7`. */
export function defaultDataFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(environment.XDG_STATE_HOME || path.join(os.homedir(), '.local', 'state'), 'beskar7');
}

/** Another process works on this data folder. */
export class DataFolderInUse extends Error {}

/**
 * A folder with the keys of a control plane; made where it is missing, so that a stop and a start continue where they
 * were.
 */
export interface DataFolder {
  readonly path: string;
  readonly adminToken: string;
  readonly serviceAccountKey: string;
  readonly tokenFile: string;
  close(): Promise<void>;
}

/** What is ours in a data folder. `--fresh` removes these and nothing else, whatever folder it was given. */
const OURS = [
  'etcd',
  'etcd-tls',
  'certificates',
  'logs',
  'temporal.db',
  'temporal.db-shm',
  'temporal.db-wal',
  'tokens.csv',
  'service-account.key',
  'audit-policy.yaml',
  'admin.kubeconfig',
  'beskar7.kubeconfig',
  'fleet.json',
  'examples.yaml',
  'vms',
];

/** Opens a data folder, or a temporary one that is deleted on close. Throws DataFolderInUse. */
export async function openDataFolder(folder: string | undefined, isFresh = false): Promise<DataFolder> {
  const root = folder ?? (await mkdtemp(path.join(os.tmpdir(), 'beskar7-')));
  if (folder === undefined) watchFolder(root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const held = await takeLock(lockOf(root));
  if (typeof held === 'number') throw new DataFolderInUse(inUse(root, held));
  if (isFresh) for (const name of OURS) await rm(path.join(root, name), { recursive: true, force: true });
  const tokenFile = path.join(root, 'tokens.csv');
  const serviceAccountKey = path.join(root, 'service-account.key');
  if (!existsSync(tokenFile)) {
    const token = randomBytes(24).toString('base64url');
    await writeFile(tokenFile, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  }
  if (!existsSync(serviceAccountKey)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(serviceAccountKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  }
  await removeExpiredCertificate(path.join(root, 'certificates'));
  const adminToken = (await readFile(tokenFile, 'utf8')).split(',')[0] ?? '';
  return {
    path: root,
    adminToken,
    serviceAccountKey,
    tokenFile,
    close: async () => {
      await held.release();
      if (folder !== undefined) return;
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
      releaseFolder(root);
    },
  };
}

/** Throws DataFolderInUse when another process works on this folder. */
export async function requireUnused(root: string): Promise<void> {
  const owner = await ownerOf(lockOf(root));
  if (owner !== undefined) throw new DataFolderInUse(inUse(root, owner));
}

function lockOf(root: string): string {
  return path.join(root, 'pid');
}

function inUse(root: string, owner: number): string {
  return `beskar7: ${root} is in use by process ${owner}; stop it, or choose another folder with --data-dir`;
}

/** kube-apiserver makes its certificate once, for a year, and would continue with an expired one. */
async function removeExpiredCertificate(folder: string): Promise<void> {
  const file = path.join(folder, 'apiserver.crt');
  if (!existsSync(file)) return;
  const isGood = Date.parse(new X509Certificate(await readFile(file)).validTo) - Date.now() > 24 * 3600_000;
  if (!isGood) await rm(folder, { recursive: true, force: true });
}
