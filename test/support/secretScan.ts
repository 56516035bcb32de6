import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { request } from 'undici';
import { SecretFinder } from './secretFinder.ts';

/** A place where people can read, and what stands there. */
export interface Place {
  readonly name: string;
  readonly text: string | Uint8Array;
}

/** Where secrets stand that should not: `<what> in <place>`, each once. The secrets themselves are not named. */
export async function leaksIn(
  secrets: ReadonlyMap<string, string>,
  places: AsyncIterable<Place> | Iterable<Place>,
): Promise<{ leaks: string[]; places: number; bytes: number }> {
  const finder = new SecretFinder(secrets);
  const leaks = new Set<string>();
  let count = 0;
  let bytes = 0;
  for await (const { name, text } of places) {
    count += 1;
    bytes += text.length;
    for (const kind of finder.find(text)) leaks.add(`${kind} in ${name}`);
  }
  return { leaks: [...leaks], places: count, bytes };
}

/** The logs of all processes, Beskar7's and those of the control plane, whose names are wanted. */
export function* logs(dataFolder: string, isWanted: (file: string) => boolean = () => true): Generator<Place> {
  const folder = path.join(dataFolder, 'logs');
  for (const file of readdirSync(folder).filter(isWanted))
    yield { name: `the log ${file}`, text: readFileSync(path.join(folder, file)) };
}

/** The text of files, where there are any. */
export function* files(name: string, paths: readonly (string | undefined)[]): Generator<Place> {
  for (const file of paths)
    if (file !== undefined && existsSync(file))
      yield { name: `${name} ${path.basename(file)}`, text: readFileSync(file) };
}

/** The histories of all runs that a query finds, with what payloads hold as text. */
export async function* histories(temporal: Client, query?: string): AsyncGenerator<Place> {
  for await (const { workflowId, runId, memo } of temporal.workflow.list(query === undefined ? {} : { query })) {
    const history = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    yield { name: `the history of ${workflowId}`, text: textOf({ history, memo }) };
  }
}

/** The metrics of a process; nothing when it does not run. */
export async function* metrics(url: string): AsyncGenerator<Place> {
  const text = await request(url, { headersTimeout: 10_000, bodyTimeout: 10_000 })
    .then(({ body }) => body.text())
    .catch(() => '');
  yield { name: 'the metrics', text };
}

/** Payloads are bytes: as text, so that they can be searched. */
function textOf(history: unknown): string {
  return JSON.stringify(history, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
    return typeof value === 'bigint' ? String(value) : value;
  });
}
