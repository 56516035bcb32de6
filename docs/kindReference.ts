import type { KindDefinition } from '../crds/kinds.ts';
import { GROUP, VERSION } from '../crds/names.ts';
import { cell } from './flagTable.ts';

/** As much of an OpenAPI schema as the reference shows. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string }[];
}

/**
 * One kind as a section in Markdown: its names, the tables of spec and status, and the rules that the API server
 * checks.
 */
export function kindSection(kind: KindDefinition): string {
  const { spec, status } = kind as unknown as { spec: Schema; status?: Schema };
  return [
    `## ${kind.kind}`,
    '',
    kind.description,
    '',
    `\`${GROUP}/${VERSION}\`, \`kubectl get ${kind.plural}\`, short: ${kind.shortNames.map((name) => `\`${name}\``).join(', ')}.`,
    ...(kind.otherVersions ?? []).flatMap(({ name }) => [
      '',
      `Also served as \`${GROUP}/${name}\`, where \`status.failureDomains\` is a list of \`{name, controlPlane, attributes}\` (contract v1beta2).`,
    ]),
    ...section('spec', spec),
    ...(status?.properties && Object.keys(status.properties).length > 0 ? section('status', status) : []),
  ].join('\n');
}

function section(name: string, schema: Schema): string[] {
  const rules = rulesOf(schema);
  return [
    '',
    `### ${name}`,
    '',
    '| field | type | | meaning |',
    '|---|---|---|---|',
    ...rowsOf(name, schema),
    ...(rules.length > 0 ? ['', 'Checked by the API server:', '', ...rules.map((rule) => `- ${rule}`)] : []),
  ];
}

/** One row for each field, depth first. Conditions and addresses have one shape everywhere: they are not unfolded. */
function rowsOf(path: string, schema: Schema): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const here = `${path}.${name}`;
    const must = schema.required?.includes(name) ? 'required' : '';
    const row = `| \`${here}\` | ${typeOf(field)} | ${must} | ${meaningOf(field)} |`;
    if (name === 'conditions' || name === 'addresses') return [row];
    const inner = field.items ?? field.additionalProperties;
    const suffix = field.items ? '[]' : field.additionalProperties ? '.*' : '';
    return [row, ...rowsOf(here + suffix, inner ?? field)];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((word) => `\`${word}\``).join(' ');
  if (schema.items) return `list of ${typeOf(schema.items)}, at most ${schema.maxItems ?? '?'}`;
  if (schema.additionalProperties) return `map to ${typeOf(schema.additionalProperties)}`;
  if (schema.format === 'date-time') return 'time (RFC 3339)';
  return `${schema.type ?? 'any'}${boundsOf(schema)}`;
}

function boundsOf({ minimum, maximum, minLength, maxLength }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum} to ${maximum}`;
  if (maxLength === undefined) return '';
  return minLength !== undefined && minLength > 0
    ? `, ${minLength} to ${maxLength} characters`
    : `, at most ${maxLength} characters`;
}

function meaningOf(schema: Schema): string {
  const parts = [
    schema.description ?? '',
    schema.default === undefined || schema.default === '' ? '' : `Default: \`${JSON.stringify(schema.default)}\`.`,
  ];
  const words = cell(parts.filter((part) => part !== '').join(' '));
  return schema.pattern === undefined
    ? words
    : `${words} Pattern: \`${schema.pattern.replaceAll('|', '\\|')}\`.`.trim();
}

/** The messages of all rules in the schema, each once. */
function rulesOf(schema: Schema): string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ message }) => message);
  const inner = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties].flatMap(
    (field) => (field ? rulesOf(field) : []),
  );
  return [...new Set([...own, ...inner])];
}
