import { Type, type Static, type TSchema, type TUnsafe } from 'typebox';

/** A rule in CEL that the API server checks (`x-kubernetes-validations`). */
export interface CelRule {
  readonly rule: string;
  /** What the user reads: which field, what is wrong, what is right. */
  readonly message: string;
  readonly fieldPath?: string;
}

/** Schema options that OpenAPI v3 structural schemas of Kubernetes know. */
export interface Options {
  readonly description?: string;
  readonly default?: unknown;
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** One of a closed set of words. */
export function oneOf<const T extends readonly string[]>(values: T, options: Options = {}): TUnsafe<T[number]> {
  return Type.Unsafe<T[number]>({ ...options, type: 'string', enum: [...values] });
}

/** A string with a bound, in characters, and optionally a pattern (RE2). */
export function text(maxLength: number, options: Options & { pattern?: string; minLength?: number } = {}) {
  return Type.String({ ...options, maxLength });
}

/** The name of an object: a DNS subdomain (RFC 1123), as Kubernetes has it. */
export function objectName(options: Options = {}) {
  return text(253, { ...options, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$' });
}

/** The name of a namespace: a DNS label. */
export function namespaceName(options: Options = {}) {
  return text(63, { ...options, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' });
}

/** RFC 3339 time. Kept as the ISO string that Kubernetes sends. */
export function time(options: Options = {}) {
  return Type.String({ ...options, format: 'date-time', maxLength: 40 });
}

/** A whole number inside bounds; 64 bits wide. */
export function integer(minimum: number, maximum: number, options: Options = {}) {
  return Type.Integer({ ...options, minimum, maximum, format: 'int64' });
}

/** A list with a bound. */
export function list<T extends TSchema>(items: T, maxItems: number, options: Options = {}) {
  return Type.Array(items, { ...options, maxItems });
}

/** A map from strings to one kind of value, with a bound on its entries. */
export function map<T extends TSchema>(
  value: T,
  maxProperties: number,
  options: Options = {},
): TUnsafe<Record<string, Static<T>>> {
  return Type.Unsafe<Record<string, Static<T>>>({
    ...options,
    type: 'object',
    additionalProperties: value,
    maxProperties,
  });
}

/** What `url` takes, without anchors. */
export const URL_PATTERN = 'https?://[A-Za-z0-9._~:/?#@!$&()*+,;=%\\[\\]-]+';

/** An http or https URL that is safe on a kernel command line: no white space, quote, brace or control character. */
export function url(options: Options = {}) {
  return text(1024, { ...options, pattern: `^${URL_PATTERN}$` });
}

/** A condition in the metav1 shape. */
export const Condition = Type.Object(
  {
    type: text(316, { pattern: '^[A-Za-z][A-Za-z0-9_.\\/-]*$' }),
    status: oneOf(['True', 'False', 'Unknown']),
    observedGeneration: Type.Optional(integer(0, Number.MAX_SAFE_INTEGER)),
    lastTransitionTime: time(),
    reason: text(1024, { minLength: 1, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' }),
    message: text(32768),
  },
  { description: 'A condition in the shape of metav1.Condition.' },
);
/** As read; `withConditions` writes them. */
export type Condition = Static<typeof Condition>;

/** The conditions of an object, a list keyed by type. */
export function conditions() {
  return Type.Array(Condition, {
    maxItems: 32,
    description: 'What is known about this object, one entry per type.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
  });
}

/** Addresses in the Cluster API shape. */
export const MachineAddress = Type.Object({
  type: oneOf(['Hostname', 'ExternalIP', 'InternalIP', 'ExternalDNS', 'InternalDNS']),
  address: text(256, { minLength: 1 }),
});
/** As read; an object may have several of one type. */
export type MachineAddress = Static<typeof MachineAddress>;

/** `status.addresses` of hosts and machines. */
export const AddressList = list(MachineAddress, 128, { description: 'Addresses, in the shape of Cluster API.' });

/** Labels and annotations that a template puts on what is made from it. */
export const TemplateMeta = Type.Object({
  labels: Type.Optional(map(text(63), 64)),
  annotations: Type.Optional(map(text(4096), 64)),
});
