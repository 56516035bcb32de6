import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { kubectl } from '../../tools/controlplane/install.ts';
import type { Role } from '../../workers/config.ts';
import type { TestControlPlane } from './controlPlane.ts';

/** A kubeconfig with a token of a role's account, and nothing else; gives its path, inside `folder`. */
export async function accountKubeconfig(plane: TestControlPlane, role: Role, folder: string): Promise<string> {
  const account = `beskar7-${role}`;
  const token = (await kubectl(plane, 'create', 'token', account, '-n', 'beskar7-system', '--duration=1h')).trim();
  const admin = JSON.parse(await kubectl(plane, 'config', 'view', '--raw', '-o', 'json')) as { users: object[] };
  const users = (admin.users as { name: string }[]).map(({ name }) => ({ name, user: { token } }));
  const file = path.join(folder, `${account}.json`);
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ ...admin, users }), { mode: 0o600 });
  return file;
}
