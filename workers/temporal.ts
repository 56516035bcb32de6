import { Client, type WorkflowClientInterceptor } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { SEARCH_ATTRIBUTES } from '../workflows/names.ts';

/** How to reach Temporal: flags first, then the environment and profile of the temporal CLI (`@temporalio/envconfig`). */
export function temporalTarget(flags: { temporalAddress: string | undefined; temporalNamespace: string | undefined }) {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const isDefaultNamespace = namespace === undefined || namespace === 'default';
  return {
    connection: {
      ...connectionOptions,
      address: flags.temporalAddress ?? connectionOptions.address ?? 'localhost:7233',
    },
    namespace: flags.temporalNamespace ?? (isDefaultNamespace ? 'beskar7' : namespace),
  };
}

export type TemporalTarget = ReturnType<typeof temporalTarget>;

/**
 * One connection for workers and client, and what we need in Temporal. Rejects when it cannot be reached: each call of the SDK's
 * connection has a deadline of 30 s.
 */
export async function connectTemporal(
  target: TemporalTarget,
  logger: Logger,
  workflowInterceptors: WorkflowClientInterceptor[] = [],
): Promise<{ connection: NativeConnection; client: Client; hasSearchAttributes: boolean }> {
  const connection = await NativeConnection.connect(
    target.connection as Parameters<typeof NativeConnection.connect>[0],
  );
  const interceptors = { workflow: workflowInterceptors };
  const client = new Client({ connection, namespace: target.namespace, interceptors });
  try {
    return { connection, client, hasSearchAttributes: await prepareTemporal(client, target.namespace, logger) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** 30 days (rule 18). */
const RETENTION_SECONDS = 30 * 24 * 3_600;
const KEYWORD = 2;

/**
 * Makes the Temporal namespace where it is missing, and registers our search attributes. Returns whether they can be used: where
 * registering is not allowed they are left out, with one warning, since an unregistered one blocks a run for ever (rule 18).
 */
async function prepareTemporal(client: Client, namespace: string, logger: Logger): Promise<boolean> {
  await ensureNamespace(client, namespace, logger);
  const wanted = Object.values(SEARCH_ATTRIBUTES);
  const { operatorService } = client.connection;
  try {
    const known = await operatorService.listSearchAttributes({ namespace });
    const missing = wanted.filter((name) => !(name in (known.customAttributes ?? {})));
    if (missing.length > 0) {
      await operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
      });
    }
    return true;
  } catch (error) {
    logger.warn({ err: error, namespace }, 'search attributes cannot be registered, goes on without them');
    return false;
  }
}

async function ensureNamespace(client: Client, namespace: string, logger: Logger): Promise<void> {
  const { workflowService } = client.connection;
  try {
    await workflowService.describeNamespace({ namespace });
    return;
  } catch (error) {
    if (!isCode(error, 5)) throw error;
  }
  try {
    // google.protobuf.Duration; Long is not needed for numbers of this size.
    await workflowService.registerNamespace({
      namespace,
      description: 'Beskar7: provisioning of bare metal',
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never },
    });
    logger.info({ namespace }, 'Temporal namespace made, it keeps closed workflows for 30 days');
  } catch (error) {
    if (!isCode(error, 6)) throw error;
  }
  await untilNamespaceIsKnown(client, namespace);
}

/** A new namespace takes a moment to reach all parts of Temporal. */
async function untilNamespaceIsKnown(client: Client, namespace: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.connection.workflowService.listWorkflowExecutions({ namespace, pageSize: 1 });
      return;
    } catch (error) {
      if (attempt >= 60) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** gRPC status codes: 5 NOT_FOUND, 6 ALREADY_EXISTS. */
function isCode(error: unknown, code: number): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}
