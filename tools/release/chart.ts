import path from 'node:path';
import { runCommand } from '../toolchain/command.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

/** The chart's folder. */
export const CHART = path.join(ROOT, 'deploy', 'helm');

export interface RenderOptions {
  readonly release?: string;
  readonly namespace?: string;
  /** As `--set`: `callback.url` → `https://10.0.0.1:8082`. */
  readonly set?: Readonly<Record<string, string>>;
  /** Values files. */
  readonly values?: readonly string[];
}

/** `helm template`: one YAML text for each object, without helm's comments. Throws with helm's own words. */
export async function renderChart(helm: string, options: RenderOptions): Promise<string[]> {
  const { release = 'beskar7', namespace = 'beskar7-system', set = {}, values = [] } = options;
  const words = ['template', release, CHART, '--namespace', namespace, ...values.map((file) => `--values=${file}`)];
  for (const [key, value] of Object.entries(set)) words.push('--set', `${key}=${value.replaceAll(',', '\\,')}`);
  const { code, output, stdout } = await runCommand(helm, words, { timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`beskar7: helm template failed: ${output.trim()}`);
  return documentsOf(stdout).map((text) => text.replace(/^# Source: .*\n/gm, ''));
}

/** The documents of a YAML text, as texts. */
export function documentsOf(text: string): string[] {
  return text
    .split(/^---\n/m)
    .map((document) => document.trim())
    .filter((document) => /^kind: /m.test(document))
    .map((document) => `${document}\n`);
}

/** The kind of a manifest. */
export function kindOf(document: string): string {
  return /^kind: (\w+)$/m.exec(document)?.[1] ?? '';
}
