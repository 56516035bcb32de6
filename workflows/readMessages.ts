import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import type { ClaimFact } from '../contracts/messages.ts';
import type {
  HostInput,
  MachineInput,
  MonitorInput,
  MonitorSettings,
  ObjectRef,
  ReleaseInput,
} from '../contracts/names.ts';
import { UnreadablePayload } from './payloadConverter.ts';

/**
 * Parsers of what is sent to a run. Anybody who may talk to Temporal can send anything: what cannot be used is
 * `undefined` for a signal, and the failure `InvalidInput` for a start. They never throw anything else, which would
 * fail the workflow task for ever.
 */

/** A name or uid of Kubernetes, or the id of a claim. */
const MAX_NAME = 253;
const MAX_SHARDS = 4_096;
const MAX_INTERVAL_MS = 30 * 86_400_000;

type Fields = Readonly<Record<string, unknown>>;

/** The fact that a signal about a claim carries. */
export function readClaimSignal(value: unknown): ClaimFact | undefined {
  const claim = nameIn(fieldsOf(value), 'claim');
  return claim === undefined ? undefined : { claim };
}

/** Sent by hand without an argument, or with any other: the host is to be tried again at once. */
export function readHostChanged(value: unknown): { readonly connectionHash?: string } {
  const connectionHash = nameIn(fieldsOf(value), 'connectionHash');
  return connectionHash === undefined ? {} : { connectionHash };
}

/** Settings of a monitor. */
export function readMonitorSettings(value: unknown): MonitorSettings | undefined {
  const { shards, intervalMs } = fieldsOf(value);
  const isWhole = Number.isInteger(shards) && Number(shards) >= 0 && Number(shards) <= MAX_SHARDS;
  const isInterval = Number.isFinite(intervalMs) && Number(intervalMs) >= 0 && Number(intervalMs) <= MAX_INTERVAL_MS;
  return isWhole && isInterval ? { shards: Number(shards), intervalMs: Number(intervalMs) } : undefined;
}

/** Input of `provisionMachine` and `deprovisionMachine`. Throws `InvalidInput`. */
export function readMachineInput(value: unknown): MachineInput {
  return objectRef(value);
}

/** Input of `enrollHost` and `retireHost`. Throws `InvalidInput`. */
export function readHostInput(value: unknown): HostInput {
  return { ...objectRef(value), ...poolOf(value) };
}

/** Input of `releaseHost`. Throws `InvalidInput`. */
export function readReleaseInput(value: unknown): ReleaseInput {
  const fields = fieldsOf(value);
  const claim = nameIn(fields, 'claim');
  if (claim === undefined) throw invalidInput(value, 'namespace, name, uid and claim');
  const { orphanAfterMs } = fields;
  const isTime = typeof orphanAfterMs === 'number' && Number.isFinite(orphanAfterMs) && orphanAfterMs >= 0;
  if (orphanAfterMs !== undefined && !isTime) throw invalidInput(value, 'orphanAfterMs in milliseconds');
  const { machine } = fields;
  return {
    ...objectRef(value),
    ...poolOf(value),
    claim,
    ...(machine === undefined ? {} : { machine: objectRef(machine) }),
    ...(isTime ? { orphanAfterMs } : {}),
  };
}

/** Input of `monitorHosts`. Throws `InvalidInput`. */
export function readMonitorInput(value: unknown): MonitorInput {
  const { shard } = fieldsOf(value);
  const settings = readMonitorSettings(value);
  const isShard = Number.isInteger(shard) && Number(shard) >= 0 && Number(shard) <= MAX_SHARDS;
  if (settings === undefined || !isShard) throw invalidInput(value, 'shard, shards and intervalMs');
  return { ...settings, ...poolOf(value), shard: Number(shard) };
}

/** A count or a time that a run hands to the one that continues it; 0 for anything else. */
export function readNumber(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}

function objectRef(value: unknown): ObjectRef {
  const fields = fieldsOf(value);
  const [namespace, name, uid] = [nameIn(fields, 'namespace'), nameIn(fields, 'name'), nameIn(fields, 'uid')];
  if (namespace === undefined || name === undefined || uid === undefined)
    throw invalidInput(value, 'namespace, name and uid');
  return { namespace, name, uid };
}

function poolOf(value: unknown): { pool?: string } {
  const fields = fieldsOf(value);
  if (fields.pool === undefined) return {};
  const pool = nameIn(fields, 'pool');
  if (pool === undefined) throw invalidInput(value, 'the pool by its name');
  return { pool };
}

function invalidInput(value: unknown, wanted: string): ApplicationFailure {
  const { workflowType } = workflowInfo();
  const why = value instanceof UnreadablePayload ? value.why : `it has to be one JSON object with ${wanted}`;
  return ApplicationFailure.create({
    type: 'InvalidInput',
    nonRetryable: true,
    message: `The input of ${workflowType} cannot be used: ${why}. Nothing was done. Beskar7 starts its runs itself.`,
  });
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !(value instanceof UnreadablePayload) ? (value as Fields) : {};
}

function nameIn(fields: Fields, field: string): string | undefined {
  const value = fields[field];
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME ? value : undefined;
}
