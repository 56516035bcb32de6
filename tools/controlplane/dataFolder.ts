import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** Where `npm start` keeps its data: `$XDG_STATE_HOME/beskar7`, else `~/.local/state/beskar7`. */
export function defaultDataFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(environment.XDG_STATE_HOME || path.join(os.homedir(), '.local', 'state'), 'beskar7');
}

/** Another process works on this data folder. */
export class DataFolderInUse extends Error {}

/** A folder with the keys of a control plane; made where it is missing, so that a stop and a start go on where they were. */
export interface DataFolder {
  readonly path: string;
  readonly adminToken: string;
  readonly serviceAccountKey: string;
  readonly tokenFile: string;
  close(): Promise<void>;
}

/** Opens a data folder, or a temporary one that is deleted on close. */
export async function openDataFolder(folder: string | undefined): Promise<DataFolder> {
  const root = folder ?? (await mkdtemp(path.join(os.tmpdir(), 'beskar7-')));
  await mkdir(root, { recursive: true, mode: 0o700 });
  const release = await lock(root);
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
  const adminToken = (await readFile(tokenFile, 'utf8')).split(',')[0] ?? '';
  return {
    path: root,
    adminToken,
    serviceAccountKey,
    tokenFile,
    close: async () => {
      await release();
      if (folder === undefined) await rm(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function lock(root: string): Promise<() => Promise<void>> {
  const file = path.join(root, 'pid');
  const owner = Number(await readFile(file, 'utf8').catch(() => ''));
  if (owner > 0 && owner !== process.pid && isAlive(owner)) {
    throw new DataFolderInUse(
      `beskar7: ${root} is in use by process ${owner}; stop it, or choose another folder with --data-dir`,
    );
  }
  await writeFile(file, String(process.pid));
  return () => rm(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
