import { Beskar7MachineSpec, Beskar7MachineStatus } from '../crds/beskar7Machine.ts';
import {
  ANNOTATION_ACCEPT_SERVER,
  ANNOTATION_BLOCK_MOVE,
  ANNOTATION_CLAIM,
  ANNOTATION_DELETE_FOR_MOVE,
  ANNOTATION_HANDLED,
  ANNOTATION_MANAGED_BY,
  ANNOTATION_PAUSED,
  ANNOTATION_PLAN,
  ANNOTATION_RETRY,
  ANNOTATION_SERVER,
} from '../crds/names.ts';
import { PhysicalHostSpec, PhysicalHostStatus } from '../crds/physicalHost.ts';
import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import { maskText } from '../untrusted/secrets.ts';
import { visibleLine } from '../untrusted/text.ts';

/** What stands in the place of what is not known to be harmless. */
const REDACTED = 'redacted';

/*
 * What an export shows is listed: fields of our kinds, of an object's metadata, of events, and of what our runs are
 * given and give back. All else is masked, whatever it is called: nobody can list the places where a secret may stand.
 */

/** Of our kinds and left out: hashes of tokens, by which nobody is helped. */
const NEVER = new Set(['bootToken', 'tokenHash', 'nonceHash', 'hash', 'nonce', 'token', 'managedFields']);

const METADATA =
  'apiVersion kind metadata spec status name namespace uid resourceVersion generation generateName creationTimestamp deletionTimestamp ' +
  'deletionGracePeriodSeconds finalizers ownerReferences controller blockOwnerDeletion labels annotations items';

const EVENT =
  'involvedObject fieldPath reason message source component type count firstTimestamp lastTimestamp eventTime reportingComponent ' +
  'reportingInstance action series';

/** Of Cluster API's Machine. */
const OWNER =
  'clusterName infrastructureRef apiGroup failureDomain phase conditions observedGeneration initialization ' +
  'infrastructureProvisioned bootstrapDataSecretCreated providerID version bootstrap configRef dataSecretName nodeRef';

/** Of the annotations claim, server and handled, and of what activities and signals of ours carry. */
const RUNS =
  'id stage attempt deadline since specHash claims outcome retry of reason releasedFrom bootSecret addresses address systemID uuid ' +
  'serialNumber uuidSince serialNumberSince attempts bmcRequests bootDeadline claim connectionHash cpuCores earlierAttempts failed ' +
  'failures hardware host hostUid imageHash inFlightUntil inspectionDeadline installation intervalMs isAdopted isCancelled isOfAnother isReset isSecondLook ' +
  'largestDiskBytes machine machineVersion memoryBytes minCPUCores minDiskGB minMemoryGB nextAttemptAt nextAttemptInMs ' +
  'notReadySince orphanAfterMs plan pool readyWhen ref requirements retryInMs run runID secrets shard shards stages startedAt ' +
  'timedOut tried unconfirmed until wasScriptFetched workflow message mayHaveLanded isForced forced conditions triedHosts';

interface SchemaLike {
  readonly properties?: Readonly<Record<string, SchemaLike>>;
  readonly items?: SchemaLike;
  readonly additionalProperties?: SchemaLike | boolean;
  readonly enum?: readonly unknown[];
}

/** Each field with its schema, at any depth. */
function fieldsIn({ properties = {}, items, additionalProperties }: SchemaLike): [string, SchemaLike][] {
  const inner = [...Object.values(properties), ...(items === undefined ? [] : [items])];
  const more = typeof additionalProperties === 'object' ? [additionalProperties] : [];
  return [...Object.entries(properties), ...[...inner, ...more].flatMap(fieldsIn)];
}

const OF_KINDS = [PhysicalHostSpec, PhysicalHostStatus, Beskar7MachineSpec, Beskar7MachineStatus].flatMap((schema) =>
  fieldsIn(schema as SchemaLike),
);
const OF_OTHERS = new Set([METADATA, EVENT, OWNER, RUNS].flatMap((names) => names.split(' ')));

const SHOWN = new Set([...OF_KINDS.map(([name]) => name), ...OF_OTHERS].filter((name) => !NEVER.has(name)));

/**
 * Fields that are one of a few words wherever our kinds have them: in another object the same name may hold a secret.
 */
const CHOICES = new Map<string, Set<unknown>>();
for (const [name] of OF_KINDS.filter(([name]) => !OF_OTHERS.has(name))) {
  const schemas = OF_KINDS.filter(([other]) => other === name).map(([, schema]) => schema);
  if (schemas.every((schema) => schema.enum !== undefined))
    CHOICES.set(name, new Set(schemas.flatMap((schema) => schema.enum ?? [])));
}

/** Labels whose values are shown: what decides which host fits, and who owns what. */
const LABEL = /^([a-z0-9-]+\.)*(kubernetes\.io|k8s\.io|beskar7\.io)\/[\w.-]+$/;
/** A label's value that is a word and not a secret: short enough to be neither. */
const WORD = /^[A-Za-z0-9._-]{0,63}$/;
/** Annotations that hold JSON of ours. */
const JSON_ANNOTATIONS = new Set([ANNOTATION_CLAIM, ANNOTATION_SERVER, ANNOTATION_HANDLED, ANNOTATION_PLAN]);
const WORD_ANNOTATIONS = new Set([
  ...[ANNOTATION_RETRY, ANNOTATION_ACCEPT_SERVER, ANNOTATION_PAUSED, ANNOTATION_MANAGED_BY],
  ...[ANNOTATION_BLOCK_MOVE, ANNOTATION_DELETE_FOR_MOVE],
]);

/** A copy of an object, an event, or what a run carries, with what is known to be harmless and no more. */
export function withoutSecrets(value: unknown): unknown {
  return shown(value, isOurs(value));
}

/** `isOurs`: its messages are written by Beskar7, which cuts secrets out of what it quotes. */
function shown(value: unknown, areMessagesOurs: boolean): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map((inner) => shown(inner, areMessagesOurs));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !NEVER.has(name))
      .map(([name, inner]) => [knownName(name), fieldOf(name, inner, areMessagesOurs)]),
  );
}

function fieldOf(name: string, value: unknown, areMessagesOurs: boolean): unknown {
  if (!SHOWN.has(name) || CHOICES.get(name)?.has(value) === false) return isEmpty(value) ? value : REDACTED;
  if (name === 'annotations') return mapOf(value, annotation);
  if (name === 'labels' || name === 'matchLabels') return mapOf(value, label);
  if (name === 'message' && !areMessagesOurs) return isEmpty(value) ? value : REDACTED;
  if (name === 'configurationURL' && typeof value === 'string') return withoutPath(value);
  return shown(value, areMessagesOurs);
}

/** A name that is not known may be a secret itself. */
function knownName(name: string): string {
  return SHOWN.has(name) || /^[A-Za-z][A-Za-z]{0,29}$/.test(name) ? name : REDACTED;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || typeof value === 'boolean';
}

function mapOf(value: unknown, clean: (name: string, text: string) => string): unknown {
  if (typeof value !== 'object' || value === null) return REDACTED;
  const entries = Object.entries(value).map(([name, text]) => [
    cleanText(name),
    typeof text === 'string' ? clean(name, text) : REDACTED,
  ]);
  return Object.fromEntries(entries);
}

function label(name: string, text: string): string {
  return LABEL.test(name) && WORD.test(text) ? text : REDACTED;
}

function annotation(name: string, text: string): string {
  if (WORD_ANNOTATIONS.has(name)) return /^[\w .:-]{0,128}$/.test(text) ? text : REDACTED;
  if (!JSON_ANNOTATIONS.has(name)) return REDACTED;
  const value = tryParseJson(text, JSON_BOUNDS.annotation);
  return typeof value === 'object' && value !== null ? JSON.stringify(shown(value, true)) : REDACTED;
}

/**
 * Objects of our kinds, events of our reporter, and what a run carries: that has no kind, or one of our unions
 * (`failed`, `notDue`), which begins with a small letter, as no kind of Kubernetes does.
 */
function isOurs(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const { kind, involvedObject, source, reportingComponent } = value as Readonly<Record<string, unknown>>;
  if (involvedObject !== undefined) {
    const { component } = (source ?? {}) as { component?: unknown };
    return [component, reportingComponent].includes('beskar7');
  }
  if (kind === undefined || kind === 'PhysicalHost' || kind === 'Beskar7Machine') return true;
  return typeof kind === 'string' && /^[a-z]/.test(kind);
}

/** Sentences of ours about an object, in any form: of texts what opens something is cut out. */
export function cleanSentences(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanSentences);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cleanSentences(inner)]));
}

/**
 * The same for a history in the JSON form of protobuf: of payloads the known fields are shown. The order of commands
 * stays, so that it can be replayed.
 */
export function historyWithoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(historyWithoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  if (isPayload(value)) return { ...value, data: cleanPayload(value) };
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, historyWithoutSecrets(inner)]));
}

interface Payload {
  readonly metadata: { readonly encoding: string };
  readonly data: string;
}

/** Values that are kept as they are: text that can be read, in JSON. */
const JSON_PLAIN = Buffer.from('json/plain').toString('base64');

function isPayload(value: object): value is Payload {
  const { metadata, data } = value as { metadata?: { encoding?: unknown }; data?: unknown };
  return typeof data === 'string' && typeof metadata?.encoding === 'string';
}

function cleanPayload({ metadata, data }: Payload): string {
  if (metadata.encoding !== JSON_PLAIN) return '';
  const value = tryParseJson(Buffer.from(data, 'base64').toString('utf8'), JSON_BOUNDS.payload);
  const clean = value === undefined ? REDACTED : withoutSecrets(value);
  return Buffer.from(JSON.stringify(clean)).toString('base64');
}

function cleanText(text: string): string {
  return maskText(text.split('\n').map(visibleLine).join('\n'), REDACTED);
}

/** Where a configuration is fetched from; its path often holds what opens it. */
function withoutPath(url: string): string {
  const [, origin] = /^(https?:\/\/[^/?#@]+)(?:[/?#]|$)/.exec(url) ?? [];
  return origin === undefined ? REDACTED : `${origin}/${REDACTED}`;
}
