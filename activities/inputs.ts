import { Type, type TSchema } from 'typebox';
import { MACHINE_REASONS } from '../crds/reasons.ts';
import { CLAIM_STAGES } from '../model/claim.ts';
import type { AwaitRunActivities, BmcActivities, KubernetesActivities, PermitActivities } from './index.ts';

/** Every activity by the name under which Temporal schedules it. */
export type ActivityName = keyof (AwaitRunActivities & BmcActivities & KubernetesActivities & PermitActivities);

/*
 * Whoever may write to the Temporal namespace schedules activities with inputs of their own. Names become parts of URLs
 * of the API server, lists and texts end in objects: all are bounded. Fields that are not listed are nobody's, and are
 * let pass: the bounds of the payload hold for them.
 */

/** Names and uids of Kubernetes, ids of claims and runs, worker pools. */
const Name = Type.String({ minLength: 1, maxLength: 253, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' });
const Names = Type.Array(Name, { maxItems: 1_000 });
const Hash = Type.String({ maxLength: 128 });
const Time = Type.String({ maxLength: 40 });
/** Sentences for an operator; conditions cut them at 32 KiB. */
const Text = Type.String({ maxLength: 100_000 });
/** Workflow ids have slashes. */
const WorkflowID = Type.String({ minLength: 1, maxLength: 1_000 });
const Count = Type.Integer({ minimum: 0, maximum: 1e9 });
const Ms = Type.Number({ minimum: 0, maximum: 1e12 });
const Reason = Type.Enum(Object.values(MACHINE_REASONS));

const ref = { namespace: Name, name: Name, uid: Name };
const ObjectRef = Type.Object(ref);
const pool = Type.Optional(Name);
const HostInput = Type.Object({ ...ref, pool });
const ReleaseInput = Type.Object({
  ...ref,
  pool,
  claim: Name,
  machine: Type.Optional(ObjectRef),
  orphanAfterMs: Type.Optional(Ms),
});
const ClaimRef = Type.Object({ namespace: Name, host: Name, hostUid: Name, id: Name, pool, machine: ObjectRef });
const RunContext = Type.Object({
  machine: ObjectRef,
  workflow: Type.Object({ id: WorkflowID, runID: Name }),
  machineVersion: Type.Optional(Name),
  notReadySince: Type.Optional(Time),
  earlierAttempts: Type.Optional(Type.Array(Text, { maxItems: 1_000 })),
});
const hashes = { specHash: Hash, imageHash: Type.Optional(Hash), retry: Text };
const Requirements = Type.Object({
  minCPUCores: Type.Optional(Count),
  minMemoryGB: Type.Optional(Count),
  minDiskGB: Type.Optional(Count),
});
const Plan = Type.Object({
  ...hashes,
  attempts: Count,
  readyWhen: Type.Enum(['HandedOver', 'OSReported']),
  requirements: Type.Optional(Requirements),
});
const Boot = Type.Object({ claim: ClaimRef, run: RunContext });
const handOver = { claim: ClaimRef, run: RunContext, plan: Plan };
const release = { claim: ClaimRef, attempt: Count, nextAttemptInMs: Ms };
/** What became of an attempt whose end was not confirmed. */
const unconfirmed = Type.Optional(Text);
const retire = { host: ObjectRef, attempt: Count, nextAttemptInMs: Ms };

/** The argument of each activity; null: it takes none. */
export const ACTIVITY_INPUTS: Readonly<Record<ActivityName, TSchema | null>> = {
  acquirePowerOnPermit: null,
  bootInspector: Boot,
  checkDeprovision: ObjectRef,
  claimHost: Type.Object({
    run: RunContext,
    attempt: Count,
    tried: Names,
    imageHash: Type.Optional(Hash),
    isReset: Type.Boolean(),
    isCancelled: Type.Optional(Type.Boolean()),
  }),
  clearNetworkBoot: Type.Object({ claim: ClaimRef }),
  endProvisioning: ObjectRef,
  enrollHost: Type.Object({ host: ObjectRef, failures: Count }),
  enrollHostUnserved: HostInput,
  failMachine: Type.Object({
    run: RunContext,
    plan: Type.Optional(Type.Object(hashes)),
    outcome: Type.Enum(['Failed', 'Cancelled']),
    reason: Reason,
    message: Text,
    host: Type.Optional(Name),
  }),
  findClaims: ObjectRef,
  findReleasing: ReleaseInput,
  removeHostFinalizer: Type.Object({ host: ObjectRef, secrets: Names }),
  lookForConsumer: Type.Object({ host: ReleaseInput, isSecondLook: Type.Boolean() }),
  markReleasing: Type.Object({
    claim: ClaimRef,
    reason: Text,
    stages: Type.Array(Type.Enum([...CLAIM_STAGES]), { maxItems: CLAIM_STAGES.length }),
  }),
  monitorShard: Type.Object({ shards: Count, intervalMs: Ms, pool, shard: Count }),
  openProvisioning: Type.Object(handOver),
  prepareBoot: Boot,
  releaseHost: Type.Object(release),
  releaseHostUnserved: Type.Object({ ...release, unconfirmed }),
  removeMachineFinalizer: ObjectRef,
  reportProgress: Type.Object({
    run: RunContext,
    claim: Type.Optional(ClaimRef),
    phase: Type.Enum(['Claiming', 'Inspecting', 'Provisioning']),
    reason: Reason,
    message: Text,
    failed: Type.Optional(Type.Object({ reason: Reason, message: Text })),
  }),
  requestRelease: Type.Object({ claim: ClaimRef, isFirst: Type.Boolean() }),
  retireHost: Type.Object(retire),
  retireHostUnserved: Type.Object({ ...retire, unconfirmed }),
  settleHandover: Type.Object({ ...handOver, startedAt: Time, timedOut: Type.Optional(Text) }),
  takeReport: Type.Object({ claim: ClaimRef, run: RunContext, timedOut: Type.Boolean() }),
};
