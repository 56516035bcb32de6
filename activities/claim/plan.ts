import { ApplicationFailure } from '@temporalio/common';
import type { Beskar7Machine, Beskar7MachineSpec } from '../../crds/beskar7Machine.ts';
import type { Armed, Claimed } from '../../model/claim.ts';
import { askOf, specHash } from '../../model/handled.ts';
import { ANNOTATION_PLAN } from '../../crds/names.ts';
import { plannedSpec, planText, specWithHash } from '../../model/plan.ts';
import { MACHINES } from '../../kube/resource.ts';
import { pinned, unlessChanged } from '../../kube/swap.ts';
import type { ClaimRef } from '../../contracts/claimRef.ts';
import type { Dependencies } from '../dependencies.ts';
import { retryable, type FailureType } from '../failures.ts';
import { readMachine } from '../store/machineStore.ts';

/** What the user asks for, as far as the workflow decides on it. */
export interface Plan {
  readonly attempts: number;
  readonly readyWhen: 'HandedOver' | 'OSReported';
  readonly requirements: Beskar7Machine['spec']['hardwareRequirements'];
  readonly specHash: string;
  /** The same without what chooses the host, which may change from attempt to attempt. */
  readonly imageHash: string;
  readonly retry: string;
}

/**
 * What the next claim is for: before the first one, what the user asks for now; after that, what it was made for, on a
 * host as it is asked for now (whoever waits for one is woken by that). `imageHash`: of the attempt before in the same
 * run; what another run has left on the machine is not taken for it. Absent: not known, since that run was lost or
 * continued as new.
 */
export function specToProvision(
  machine: Beskar7Machine,
  tried: readonly string[],
  imageHash?: string,
): Beskar7MachineSpec {
  const planned = tried.length === 0 ? undefined : plannedSpec(machine);
  if (planned === undefined || (imageHash ?? imageHashOf(planned)) !== imageHashOf(planned)) return machine.spec;
  const { hostSelector, hardwareRequirements } = machine.spec;
  return {
    ...imageOf(planned),
    ...(hostSelector === undefined ? {} : { hostSelector }),
    ...(hardwareRequirements === undefined ? {} : { hardwareRequirements }),
  };
}

/** Of what a machine asks for but for the host (`hostSelector`, `hardwareRequirements`). */
export function imageHashOf(spec: Beskar7MachineSpec): string {
  return specHash(imageOf(spec));
}

function imageOf({ hostSelector: _where, hardwareRequirements: _what, ...rest }: Beskar7MachineSpec) {
  return rest;
}

/**
 * On the machine before the claim, so that whoever continues with the claim uses what it was made for. Most times
 * it stands there already.
 */
export async function recordPlan(
  deps: Dependencies,
  machine: Beskar7Machine,
  spec: Beskar7MachineSpec,
): Promise<Beskar7Machine> {
  const { namespace = '', name, annotations = {} } = machine.metadata;
  const text = planText(machine, spec);
  if (annotations[ANNOTATION_PLAN] === text) return machine;
  const patch = pinned(machine, { metadata: { annotations: { [ANNOTATION_PLAN]: text } } });
  const planned = await unlessChanged(() => deps.kube.mergePatch(MACHINES, namespace, name, patch));
  if (planned !== undefined) return planned;
  throw retryable(`Beskar7Machine ${namespace}/${name} was changed before a host was claimed for it; it is retried`);
}

/** What a machine asks for by this spec. */
export function planOf(machine: Beskar7Machine, spec = machine.spec): Plan {
  return {
    attempts: spec.attempts ?? 1,
    readyWhen: spec.readyWhen ?? 'HandedOver',
    requirements: spec.hardwareRequirements,
    imageHash: imageHashOf(spec),
    ...askOf({ ...machine, spec }),
  };
}

/**
 * What a claim was made for that an earlier run, or an earlier try of this activity, has made. Without a hash: it was
 * lost, and is being released.
 */
export function planOfClaim(machine: Beskar7Machine, hash: string | undefined): Plan {
  if (hash === undefined) return planOf(machine);
  return { ...planOf(machine, specWithHash(machine, hash)), specHash: hash };
}

/**
 * What the claim was made for: what the user has asked for since counts for the next run (rule 9). Throws
 * `InvalidBootConfiguration`, not retryable, when it is not known any more: the run fails and releases the host. Throws
 * a retryable failure while the machine is missing, which alone never ends in a power call (rule 13).
 */
export async function specOfClaim(
  deps: Dependencies,
  { machine, host }: ClaimRef,
  { specHash }: Claimed | Armed,
): Promise<Beskar7MachineSpec> {
  const cached = deps.caches.machine(machine.namespace, machine.name);
  const known = cached && specWithHash(cached, specHash);
  if (known !== undefined) return known;
  const live = await readMachine(deps.kube, machine);
  const name = `Beskar7Machine ${machine.namespace}/${machine.name}`;
  if (live === undefined) throw retryable(`${name} does not exist: host ${host} is not booted for it until it does`);
  const spec = specWithHash(live, specHash);
  if (spec !== undefined) return spec;
  throw unknownSpec(
    `What host ${host} was claimed for is not known any more: the spec of ${name} was changed, ` +
      `and its annotation ${ANNOTATION_PLAN} too. The next run does what the spec asks for now.`,
  );
}

function unknownSpec(message: string): ApplicationFailure {
  const type: FailureType = 'InvalidBootConfiguration';
  return ApplicationFailure.create({ message, type, nonRetryable: true });
}
