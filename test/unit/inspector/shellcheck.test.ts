import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.join(import.meta.dirname, '../../..');
const FOLDERS = ['inspector/init', 'inspector/target-os', 'tools/vm/node'];

const isThere = spawnSync('shellcheck', ['--version']).status === 0;
if (!isThere)
  process.stderr.write(
    'beskar7: shellcheck of the inspector is SKIPPED: it is not installed (Debian: apt-get install shellcheck)\n',
  );

(isThere ? test : test.skip).each(FOLDERS)('shellcheck finds nothing in %s', (folder) => {
  const files = readdirSync(path.join(ROOT, folder)).filter((name) => /^[a-z-]+(\.sh)?$/.test(name));
  expect(files.length).toBeGreaterThan(0);
  const { stdout } = spawnSync('shellcheck', ['-s', 'sh', ...files], {
    cwd: path.join(ROOT, folder),
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
});
