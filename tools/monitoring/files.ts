import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DASHBOARDS } from './dashboards.ts';
import { dashboardJson } from './panels.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const FOLDERS = ['deploy/monitoring/dashboards', 'deploy/helm/files/dashboards'];
export const ALERTS = 'deploy/monitoring/alerts.yaml';

/**
 * The dashboards as Grafana imports them; they and the alerts once more where the chart can read them. Paths from the
 * project's root.
 */
export async function generatedMonitoringFiles(): Promise<{ path: string; content: string }[]> {
  const dashboards = FOLDERS.flatMap((folder) =>
    DASHBOARDS.map((dashboard) => ({
      path: `${folder}/${dashboard.uid}.json`,
      content: `${JSON.stringify(dashboardJson(dashboard), undefined, 2)}\n`,
    })),
  );
  const alerts = await readFile(path.join(ROOT, ALERTS), 'utf8');
  const copy = `# Copied by \`npm run generate\`. Do not edit: edit ${ALERTS}.\n${alerts}`;
  return [...dashboards, { path: 'deploy/helm/files/alerts.yaml', content: copy }];
}

/** Paths of files that differ from what would be made, or that nothing makes any more. */
export async function staleMonitoringFiles(): Promise<string[]> {
  const wanted = await generatedMonitoringFiles();
  const names = new Set(wanted.map(({ path: file }) => file));
  const stale: string[] = [];
  for (const { path: file, content } of wanted) {
    const current = await readFile(path.join(ROOT, file), 'utf8').catch(() => undefined);
    if (current !== content) stale.push(file);
  }
  for (const folder of FOLDERS) {
    const present = await readdir(path.join(ROOT, folder)).catch(() => []);
    stale.push(...present.map((name) => `${folder}/${name}`).filter((file) => !names.has(file)));
  }
  return stale;
}

/** Writes them all. */
export async function generateMonitoringFiles(): Promise<void> {
  for (const { path: file, content } of await generatedMonitoringFiles()) {
    await mkdir(path.dirname(path.join(ROOT, file)), { recursive: true });
    await writeFile(path.join(ROOT, file), content);
  }
}
