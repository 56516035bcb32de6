import { InvalidArgumentError } from 'commander';
import { blockListOf } from '../untrusted/addresses.ts';

/** What a process does. `all` is every role in one process. */
export const ROLES = ['controllers', 'worker', 'bmc-worker', 'api', 'webhook', 'web'] as const;
/** One of the roles, without `all`. */
export type Role = (typeof ROLES)[number];

/** A Service or a Secret in the cluster. */
export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

/** Where a listener opens its port. */
export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

/** What a flag takes: how it is written, read and checked. */
export interface Value<T> {
  /** For `--help` and the docs, as commander has it: `<url>`, `[boolean]`. */
  readonly takes: string;
  /** Throws InvalidArgumentError, which says what to give instead. */
  readonly parse: (text: string) => T;
  /** All that may be given, where that is a short list. */
  readonly choices?: readonly string[];
  /** JSON Schema of the same, for the chart's values: only what YAML may hold, `parse` is stricter. */
  readonly schema: { readonly type: readonly string[]; readonly pattern?: string };
}

/** In a chart rendered for clusterctl, a value may be a variable that is replaced later. */
const VARIABLE = '\\$\\{.*\\}';
const TEXT = { type: ['string'] } as const;
const NUMBER = { type: ['number', 'string'], pattern: `^([0-9.]+|${VARIABLE})$` } as const;

/** Text of any kind. */
export const text = (takes: string): Value<string> => ({ takes, parse: (given) => given, schema: TEXT });

/** One of a few words. */
export const oneOf = <const T extends string>(takes: string, choices: readonly T[]): Value<T> => ({
  takes,
  parse: (given) => given as T,
  choices,
  schema: { type: ['string'], pattern: `^(${choices.join('|')}|${VARIABLE})$` },
});

/** Comma separated roles; `all` is every one of them. */
export const roles: Value<readonly Role[]> = { takes: '<list>', parse: parseRoles, schema: TEXT };

/** `host:port`; `[::1]:80` for IPv6, `:80` for every address. */
export const address: Value<BindAddress> = { takes: '<host:port>', parse: parseAddress, schema: TEXT };

/** IP addresses and CIDR blocks, comma separated. */
export const networks: Value<readonly string[]> = { takes: '<list>', parse: parseNetworks, schema: TEXT };

/** `http://host:port` or `https://…`, without a path; a slash at the end is taken away. */
export const url: Value<string> = { takes: '<url>', parse: parseUrl, schema: TEXT };

/** The same, but HTTPS only. */
export const httpsUrl: Value<string> = { takes: '<url>', parse: parseHttpsUrl, schema: TEXT };

/** The value of a label of Kubernetes. */
export const labelValue: Value<string> = {
  takes: '<value>',
  parse: shortName('give the value of a label: at most 63 letters, digits, "-", "_", ".".'),
  schema: TEXT,
};

/** Domains before the slash of labels, comma separated. */
export const labelPrefixes: Value<readonly string[]> = { takes: '<list>', parse: parseLabelPrefixes, schema: TEXT };

/** A name of at most 63 characters. */
export const identifier: Value<string> = {
  takes: '<id>',
  parse: shortName('give at most 63 letters, digits, "-", "_", ".".'),
  schema: TEXT,
};

/** `<namespace>/<name>` of a Secret, whose name may have dots. */
export const secret: Value<NamespacedName> = {
  takes: '<namespace/name>',
  parse: namespacedName('[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?', 'beskar7-system/beskar7-callbacks-certificate'),
  schema: TEXT,
};

/** `<namespace>/<name>` of a Service. */
export const service: Value<NamespacedName> = {
  takes: '<namespace/name>',
  parse: namespacedName('[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?', 'beskar7-system/beskar7-webhook'),
  schema: TEXT,
};

/** A number above 0, with or without a fraction. */
export const rate: Value<number> = { takes: '<number>', parse: parseRate, schema: NUMBER };

/** A whole number from `min` to `max`. */
export const count = (min: number, max: number): Value<number> => ({
  takes: '<number>',
  parse: (given) => {
    const value = given.trim() === '' ? Number.NaN : Number(given);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`give a number from ${min} to ${max}.`);
    return value;
  },
  schema: NUMBER,
});

/** Milliseconds, above 0. */
export const duration: Value<number> = {
  takes: '<duration>',
  parse: (given) => {
    const value = parseDuration(given);
    if (value === 0) throw new InvalidArgumentError('give a duration above 0, for example 30s.');
    return value;
  },
  schema: { type: ['string'], pattern: `^([0-9.]+(ms|s|m|h)|${VARIABLE})$` },
};

/** Milliseconds; 0s means at once, or never. */
export const durationOrZero: Value<number> = { ...duration, parse: parseDuration };

/** `--flag` alone is true. */
export const boolean: Value<boolean> = {
  takes: '[boolean]',
  parse: parseBoolean,
  schema: { type: ['boolean', 'string'], pattern: `^(true|false|1|0||${VARIABLE})$` },
};

function parseRoles(given: string): readonly Role[] {
  const words = given.split(',').map((word) => word.trim());
  if (words.includes('all')) return [...ROLES];
  const unknown = words.find((word) => !ROLES.includes(word as Role));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`"${unknown}" is no role; roles are ${ROLES.join(', ')}, all.`);
  return words as Role[];
}

function parseAddress(given: string): BindAddress {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]*)):(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new InvalidArgumentError('give host:port, for example 0.0.0.0:8082.');
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] ?? '')), port };
}

/**
 * A kubelet does not start with `--node-labels` of other domains of Kubernetes than these, so a Node would never come
 * (`k8s.io/kubernetes/cmd/kubelet/app/options`, KEP-279).
 */
const KUBELET_DOMAINS = ['node.kubernetes.io', 'kubelet.kubernetes.io'];

function parseLabelPrefixes(given: string): readonly string[] {
  return given.split(',').flatMap((entry) => {
    const prefix = entry.trim().replace(/\/$/, '');
    if (prefix === '') return [];
    if (prefix.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(prefix))
      throw new InvalidArgumentError(
        `"${prefix}" is no prefix of labels: give the domain before the slash, for example rack.example.com.`,
      );
    const isOfKubernetes = /(^|\.)(kubernetes|k8s)\.io$/.test(prefix);
    if (isOfKubernetes && !KUBELET_DOMAINS.some((domain) => prefix === domain || prefix.endsWith(`.${domain}`)))
      throw new InvalidArgumentError(
        `a kubelet may not give its Node labels of ${prefix}: take a domain of yours, or ${KUBELET_DOMAINS.join(' or ')}.`,
      );
    return [prefix];
  });
}

function parseNetworks(given: string): readonly string[] {
  const blocks = given.split(',').flatMap((entry) => entry.trim() || []);
  try {
    blockListOf(blocks);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
  return blocks;
}

function parseUrl(given: string): string {
  if (!/^https?:\/\/[^\s/]+\/?$/.test(given))
    throw new InvalidArgumentError('give a URL without a path, for example http://10.0.0.1:8082.');
  return given.replace(/\/$/, '');
}

function parseHttpsUrl(given: string): string {
  if (!given.startsWith('https://'))
    throw new InvalidArgumentError('give an https:// URL: the API server calls no other.');
  return parseUrl(given);
}

function shortName(refusal: string): (given: string) => string {
  return (given) => {
    if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(given)) throw new InvalidArgumentError(refusal);
    return given;
  };
}

function namespacedName(namePattern: string, example: string): (given: string) => NamespacedName {
  const pattern = new RegExp(`^([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/(${namePattern})$`);
  return (given) => {
    const [, namespace, name] = pattern.exec(given) ?? [];
    if (namespace === undefined || name === undefined)
      throw new InvalidArgumentError(`give <namespace>/<name>, for example ${example}.`);
    return { namespace, name };
  };
}

function parseRate(given: string): number {
  const value = Number(given);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('give a number above 0.');
  return value;
}

function parseBoolean(given: string): boolean {
  if (!['true', 'false', '1', '0', ''].includes(given)) throw new InvalidArgumentError('give true or false.');
  return given !== 'false' && given !== '0';
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Timers of Node take 32 bits of milliseconds, which are 24.8 days: a longer one would fire at once. */
const MAX_HOURS = 576;

function parseDuration(given: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(given.trim()) ?? [];
  const factor = UNITS[unit ?? ''];
  if (number === undefined || factor === undefined)
    throw new InvalidArgumentError('give a number with a unit: ms, s, m or h, for example 30s.');
  const ms = Number(number) * factor;
  if (ms > MAX_HOURS * 3_600_000) throw new InvalidArgumentError(`give at most ${MAX_HOURS}h.`);
  return ms;
}
