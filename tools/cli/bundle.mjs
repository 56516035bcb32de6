// Bundles the plugin of kubectl into plain JavaScript: a call of it then neither strips types nor looks for hundreds of
// files. Plain JavaScript itself, since the launcher of the plugin calls it. `node tools/cli/bundle.mjs` does it when
// it is due.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const FOLDER = path.join(ROOT, 'node_modules', '.cache', 'kubectl-beskar7');
const CURRENT = path.join(FOLDER, 'current.json');
/** A call that started with an older bundle may still load parts of it. */
const KEPT_MS = 3_600_000;
/**
 * Packages whose modules do nothing when they are loaded: what is not used of them is left out, though they do not say
 * so themselves.
 */
const WITHOUT_EFFECTS = /node_modules[/\\]@kubernetes[/\\]client-node[/\\]/;

/** The entry of a bundle that was made of the files as they are; undefined when there is none. */
export function currentBundle() {
  try {
    const { folder, inputs } = JSON.parse(readFileSync(CURRENT, 'utf8'));
    const entry = path.join(FOLDER, folder, 'start.mjs');
    const isFresh = Object.entries(inputs).every(([file, stamp]) => stampOf(file) === stamp);
    return isFresh && existsSync(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Makes the bundle; its entry. Rejects where esbuild (of the development dependencies) is missing, or the folder cannot
 * be written.
 */
export async function bundlePlugin() {
  const { build } = await import('esbuild');
  const folder = randomUUID();
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['cli/start.ts'],
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    outdir: path.join(FOLDER, folder),
    outExtension: { '.js': '.mjs' },
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    metafile: true,
    logLevel: 'silent',
    // CommonJS packages inside ask for Node's own modules by `require`.
    banner: { js: "import{createRequire as nodeRequire}from'node:module';const require=nodeRequire(import.meta.url);" },
    plugins: [
      {
        name: 'without-effects',
        setup({ onResolve, resolve }) {
          onResolve({ filter: /^@kubernetes\/client-node|^\.\.?\// }, async ({ path: name, pluginData, ...rest }) => {
            if (pluginData === 'asked' || (name.startsWith('.') && !WITHOUT_EFFECTS.test(rest.importer)))
              return undefined;
            const found = await resolve(name, { ...rest, pluginData: 'asked' });
            return found.errors.length > 0 ? undefined : { path: found.path, sideEffects: false };
          });
        },
      },
    ],
  });
  const own = Object.keys(metafile.inputs).filter((file) => !file.startsWith('node_modules/'));
  const inputs = Object.fromEntries([...own, 'package-lock.json', 'tools/cli/bundle.mjs'].map((f) => [f, stampOf(f)]));
  const fresh = `${CURRENT}.${folder}`;
  writeFileSync(fresh, JSON.stringify({ folder, inputs }));
  renameSync(fresh, CURRENT);
  removeOlder(folder);
  return path.join(FOLDER, folder, 'start.mjs');
}

function stampOf(file) {
  const { size, mtimeMs } = statSync(path.join(ROOT, file));
  return `${size} ${mtimeMs}`;
}

function removeOlder(folder) {
  for (const name of readdirSync(FOLDER)) {
    const file = path.join(FOLDER, name);
    if (name === folder || name === 'current.json' || name === 'compiled') continue;
    if (Date.now() - statSync(file).mtimeMs > KEPT_MS) rmSync(file, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && currentBundle() === undefined) {
  try {
    await bundlePlugin();
  } catch (error) {
    process.stderr.write(
      `beskar7: the kubectl plugin is not bundled (${error.message}): it runs from its source, and starts slowly\n`,
    );
  }
}
