import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowClientInterceptor } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { EncryptionCodec } from '../codec/encryption.ts';
import { KeyRing } from '../codec/keys.ts';
import { SEARCH_ATTRIBUTES } from '../contracts/names.ts';
import { ApiKeyFile } from './temporalApiKey.ts';
import { namespaceFacts, OWNER_KEY, ownNamespace, type Installation } from './installation.ts';

/**
 * How to reach Temporal: flags first, then the environment and profile of the temporal CLI (`@temporalio/envconfig`).
 * Throws ApiKeyError and CodecKeysError for files that cannot be used.
 */
export function temporalTarget(flags: {
  temporalAddress: string | undefined;
  temporalNamespace: string | undefined;
  /** Folder of keys; undefined: payloads are kept in clear text. */
  temporalCodecKeys?: string | undefined;
  temporalCodecStrict?: boolean;
  /** File with the API key, which wins over that of the environment. */
  temporalApiKeyFile?: string | undefined;
}) {
  const { temporalCodecKeys: keys, temporalCodecStrict: isStrict = false, temporalApiKeyFile: keyFile } = flags;
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const isDefaultNamespace = namespace === undefined || namespace === 'default';
  return {
    connection: {
      ...connectionOptions,
      address: flags.temporalAddress ?? connectionOptions.address ?? 'localhost:7233',
    },
    namespace: flags.temporalNamespace ?? (isDefaultNamespace ? 'beskar7' : namespace),
    apiKeyFile: keyFile === undefined ? undefined : ApiKeyFile.open(keyFile),
    dataConverter: keys === undefined ? {} : { payloadCodecs: [new EncryptionCodec(KeyRing.open(keys), { isStrict })] },
  };
}

/** Which Temporal, which namespace, and how payloads are encrypted. */
export type TemporalTarget = ReturnType<typeof temporalTarget>;

/** What was found or made in Temporal. */
export interface Prepared {
  /** Of the namespace: another one of its name, in another database, has another id. */
  readonly namespaceId: string;
  /** Whether our search attributes can be used. */
  readonly hasSearchAttributes: boolean;
  /** Whether the data of the namespace say that it is this installation's. */
  readonly isOwner: boolean;
}

/**
 * One connection for workers and client, and what we need in Temporal. Rejects when it cannot be reached: each call of
 * the SDK's connection has a deadline of 30 s.
 */
export async function connectTemporal(
  target: TemporalTarget,
  installation: Installation,
  logger: Logger,
  workflowInterceptors: WorkflowClientInterceptor[] = [],
): Promise<{ connection: NativeConnection; client: Client; prepared: Prepared }> {
  const { apiKeyFile } = target;
  const connection = await NativeConnection.connect({
    ...target.connection,
    ...(apiKeyFile === undefined ? {} : { apiKey: apiKeyFile.key }),
  } as Parameters<typeof NativeConnection.connect>[0]);
  const interceptors = { workflow: workflowInterceptors };
  const { namespace, dataConverter } = target;
  const client = new Client({ connection, namespace, interceptors, dataConverter });
  try {
    return { connection, client, prepared: await prepareTemporal(client, target.namespace, installation, logger) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** 30 days (rule 18). */
const RETENTION_SECONDS = 30 * 24 * 3_600;
const KEYWORD = 2;

/**
 * Makes the Temporal namespace where it is missing, makes it this installation's, and registers our search attributes:
 * where registering is not allowed they are left out, with one warning (none when `before` says that it is known),
 * since an unregistered one blocks a run for ever (rule 18). Can run at any time and in many processes at once. Rejects
 * with `InstallationError` when the namespace is another's, and when Temporal does not answer, or lets the namespace be
 * neither read nor made.
 */
export async function prepareTemporal(
  client: Client,
  namespace: string,
  installation: Installation,
  logger: Logger,
  before?: Prepared,
): Promise<Prepared> {
  const namespaceId = await ensureNamespace(client, namespace, installation, logger);
  const isPassing = (error: unknown) => PASSING.some((code) => isCode(error, code));
  const isKnown = before?.isOwner === false;
  const isOwner = await ownNamespace(client, namespace, installation, logger, { isKnown, mayWait: isPassing });
  try {
    const hasSearchAttributes = await ensureSearchAttributes(client, namespace);
    return { namespaceId, hasSearchAttributes, isOwner };
  } catch (error) {
    // Temporal is away, busy, or does not know its new namespace everywhere: that is no answer to whether it is
    // allowed.
    if (isPassing(error)) throw error;
    if (before?.hasSearchAttributes !== false)
      logger.warn({ err: error, namespace }, 'search attributes cannot be registered, continuing without them');
    return { namespaceId, hasSearchAttributes: false, isOwner };
  }
}

async function ensureSearchAttributes(client: Client, namespace: string): Promise<true> {
  const { operatorService } = client.connection;
  const missing = async () => {
    const { customAttributes = {} } = await operatorService.listSearchAttributes({ namespace });
    return Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in customAttributes));
  };
  const names = await missing();
  if (names.length === 0) return true;
  try {
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(names.map((name) => [name, KEYWORD])),
    });
  } catch (error) {
    // Another process may have been faster.
    if ((await missing()).length > 0) throw error;
  }
  return true;
}

/** The id of the namespace, which is made where it is missing. */
async function ensureNamespace(
  client: Client,
  namespace: string,
  installation: Installation,
  logger: Logger,
): Promise<string> {
  const { workflowService } = client.connection;
  try {
    return (await namespaceFacts(client, namespace)).id;
  } catch (error) {
    if (!isCode(error, NOT_FOUND)) throw error;
  }
  try {
    // google.protobuf.Duration; Long is not needed for numbers of this size.
    await workflowService.registerNamespace({
      namespace,
      description: 'Beskar7: provisioning of bare metal',
      data: { [OWNER_KEY]: installation.id },
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never },
    });
    logger.info({ namespace }, 'Temporal namespace created; retention 30 days');
  } catch (error) {
    if (!isCode(error, ALREADY_EXISTS)) throw error;
  }
  await untilNamespaceIsKnown(client, namespace);
  return (await namespaceFacts(client, namespace)).id;
}

/** A new namespace takes a moment to reach all parts of Temporal. */
async function untilNamespaceIsKnown(client: Client, namespace: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.connection.workflowService.listWorkflowExecutions({ namespace, pageSize: 1 });
      return;
    } catch (error) {
      if (attempt >= 60) throw error;
      await delay(500);
    }
  }
}

/** Status codes of gRPC. */
const DEADLINE_EXCEEDED = 4;
/** No such namespace or run; also for a namespace that is not yet known everywhere in Temporal. */
export const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const RESOURCE_EXHAUSTED = 8;
const ABORTED = 10;
const UNAVAILABLE = 14;
const PASSING = [NOT_FOUND, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE];

/** Whether an error of a gRPC call has this status code. */
export function isCode(error: unknown, code: number): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}
