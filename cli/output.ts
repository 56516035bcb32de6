import { stringify } from 'yaml';
import { visibleJson, visibleText } from '../untrusted/text.ts';
import { apiVersionOf, type Identified, type Resource } from '../kube/resource.ts';
import { paintFor, type Io } from './io.ts';
import { growingTable, type Column } from './table.ts';

/** Values of `-o` for lists. */
export const LIST_FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
/** Values of `-o` for commands that show one thing. */
export const DATA_FORMATS = ['text', 'json', 'yaml'] as const;
/** One of `LIST_FORMATS`; `name` prints `<kind>.<group>/<name>`, as kubectl does. */
export type ListFormat = (typeof LIST_FORMATS)[number];
/** One of `DATA_FORMATS`; `text` is for people and may change. */
export type DataFormat = (typeof DATA_FORMATS)[number];

/**
 * Writes objects as the flag `-o` asks, and again as more come: under the first ones, with one line of headers; YAML as
 * documents.
 */
export function listWriter<T extends Identified>(
  io: Io,
  format: ListFormat,
  resource: Resource<T>,
  columns: readonly Column<T>[],
  hasHeaders = true,
): (objects: readonly T[]) => void {
  const textOf = growingTable(columns, { isWide: format === 'wide', hasHeaders, paint: paintFor(io) });
  let isFirst = true;
  return (objects) => {
    switch (format) {
      case 'json':
      case 'yaml':
        if (format === 'yaml' && !isFirst) io.out('---\n');
        isFirst = false;
        return writeData(io, format, {
          apiVersion: 'v1',
          kind: 'List',
          items: objects.map((one) => tidied(resource, one)),
        });
      case 'name':
        return io.out(objects.map((one) => `${referenceOf(resource, one)}\n`).join(''));
      case 'table':
      case 'wide':
        if (objects.length > 0) io.out(textOf(objects));
    }
  };
}

/** Writes a value as JSON or YAML. */
export function writeData(io: Io, format: 'json' | 'yaml', value: unknown): void {
  if (format === 'json') return io.out(visibleJson(`${JSON.stringify(value, undefined, 2)}\n`));
  const yaml = stringify(value, { aliasDuplicateObjects: false });
  io.out(io.isTerminal ? visibleText(yaml) : yaml);
}

/** As kubectl names it: `beskar7machine.infrastructure.cluster.x-k8s.io/worker-01`. */
export function referenceOf(resource: Resource, { metadata }: Identified): string {
  return `${resource.kind.toLowerCase()}.${resource.group}/${metadata.name}`;
}

/** With its kind, and without who wrote which field, as kubectl shows it. */
export function tidied<T extends Identified>(resource: Resource<T>, { metadata, ...rest }: T): object {
  const { managedFields: _whoWroteWhat, ...shown } = metadata as T['metadata'] & { managedFields?: unknown };
  return { ...rest, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: shown };
}
