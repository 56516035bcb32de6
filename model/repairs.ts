import type { Beskar7Machine } from '../crds/beskar7Machine.ts';
import { ANNOTATION_CLAIM, FINALIZER_HOST, FINALIZER_MACHINE, LABEL_CONSUMER_UID } from '../crds/names.ts';
import type { PhysicalHost } from '../crds/physicalHost.ts';
import {
  claimIn,
  consumerPatch,
  consumerUidPatch,
  isMovedConsumer,
  restoreHandedOver,
  restoreReleasing,
  type HandedOver,
  type Releasing,
} from './claim.ts';
import { handledOf, isProviderIDOurs } from './handled.ts';
import { holdingOf, isLedTo, isNamedBy, type Holding } from './holding.ts';
import { missesFinalizer, ownMachinePatch } from './ownMachine.ts';
import { isBeingDeleted, isBeingMoved } from './stops.ts';

/** A merge patch; the caller adds uid and resourceVersion, which make it a compare-and-swap. */
export interface RepairPatch {
  readonly metadata?: object;
  readonly spec?: object;
}

/** An event of the object that was repaired. `onMachineToo`: the machine of the host gets it as well. */
export interface RepairEvent {
  readonly reason: 'ConsumerRestored' | 'ClaimRestored' | 'ClaimLost' | 'FinalizerRestored';
  readonly message: string;
  readonly onMachineToo?: boolean;
}

/** One thing to repair: what is written, and the event that reports it. Absent: nothing a person has to know. */
interface Fix {
  readonly patch: RepairPatch;
  readonly event?: RepairEvent;
}

/** What a host may lose, and what is repaired on it, in the order in which the patches are merged. */
export type HostRepair = 'consumer' | 'claim' | 'consumerRef' | 'consumerUid' | 'label' | 'finalizer';

/** A host, who holds it, and the machine that it leads to: the one that the repair is about. */
interface Marks {
  readonly host: PhysicalHost;
  readonly holding: Holding;
  readonly machine: Beskar7Machine | undefined;
}

const ADVICE = 'Change PhysicalHosts by apply, patch or edit, and not by replace.';

/**
 * What a claim consists of on its host. Each row: undefined while it is right, else the write that makes it right. None
 * leads to a power-on: a lost claim comes back as `HandedOver` or as `Releasing` (rules 3 and 12).
 */
const HOST_REPAIRS: Readonly<Record<HostRepair, (marks: Marks) => Fix | undefined>> = {
  // Reference, label and claim are gone, and its server runs a machine that names it (decision 0017).
  consumer: ({ host, holding, machine }) => {
    if (holding.kind !== 'none' || machine === undefined || !runsUnclaimed(host, machine)) return undefined;
    const message = `The host had lost its consumer (spec.consumerRef), and ${nameOf(machine)} runs on it by its providerID: it is its consumer again. Its server was not touched. ${ADVICE}`;
    return {
      patch: consumerPatch(machine, handedOverAgain(host, machine)),
      event: { reason: 'ConsumerRestored', message },
    };
  },
  // The annotation is gone or cannot be read, and the machine is known by what is left.
  claim: ({ host, holding }) => {
    if (holding.kind !== 'lost') return undefined;
    const { machine, becomes } = holding;
    if (becomes === 'HandedOver') {
      const message = `The host had lost its claim (annotation ${ANNOTATION_CLAIM}), and ${nameOf(machine)} runs on it by its providerID: it is claimed for it again, as handed over. Its server was not touched. ${ADVICE}`;
      return {
        patch: consumerPatch(machine, handedOverAgain(host, machine)),
        event: { reason: 'ClaimRestored', message },
      };
    }
    const message = `The claim of the host for ${nameOf(machine)} (annotation ${ANNOTATION_CLAIM}) was lost or could not be read: its server is switched off and the host freed; a provisioning of the machine that was under way ends. ${ADVICE}`;
    return {
      patch: consumerPatch(machine, releasedForLoss(host, machine)),
      event: { reason: 'ClaimLost', message, onMachineToo: true },
    };
  },
  // The claim is whole, and the reference to its machine is gone.
  consumerRef: ({ host, holding, machine }) => {
    if (holding.kind !== 'claim' || host.spec.consumerRef !== undefined || machine === undefined) return undefined;
    return { patch: consumerPatch(machine, holding.claim), event: marksRestored(nameOf(machine)) };
  },
  // The machine was moved or restored, and has another uid (rule 13).
  consumerUid: ({ host, holding, machine }) => {
    if (holding.kind !== 'claim' || machine === undefined || !isMovedConsumer(machine, host)) return undefined;
    const { uid } = machine.metadata;
    return uid === undefined || host.spec.consumerRef?.uid === uid ? undefined : { patch: consumerUidPatch(uid) };
  },
  // By it `findClaims` finds the host (rule 8).
  label: ({ host, holding, machine }) => {
    const { consumerRef } = host.spec;
    if (holding.kind !== 'claim' || consumerRef?.uid === undefined) return undefined;
    if (host.metadata.labels?.[LABEL_CONSUMER_UID] === consumerRef.uid) return undefined;
    // The row above writes both.
    if (machine !== undefined && machine.metadata.uid !== consumerRef.uid) return undefined;
    return {
      patch: { metadata: { labels: { [LABEL_CONSUMER_UID]: consumerRef.uid } } },
      event: marksRestored(`${consumerRef.kind} ${consumerRef.namespace}/${consumerRef.name}`),
    };
  },
  // Without it a deleted host would be gone at once: a claimed one under its machine, a free one without its retirement
  // and with its Secrets still marked as in use.
  finalizer: ({ host, holding, machine }) => {
    const { finalizers = [] } = host.metadata;
    if (finalizers.includes(FINALIZER_HOST) || isBeingDeleted(host)) return undefined;
    const patch = { metadata: { finalizers: [...finalizers, FINALIZER_HOST] } };
    if (holding.kind === 'lost') return { patch };
    if (holding.kind === 'none' && machine !== undefined && runsUnclaimed(host, machine)) return { patch };
    const isEnrolled = holding.kind === 'none' && host.status?.state === 'Available';
    if (holding.kind !== 'claim' && !isEnrolled) return undefined;
    const message = `The host had lost its finalizer ${FINALIZER_HOST}: it was put back, so that a deletion of the host waits for its server to be off. ${ADVICE}`;
    return { patch, event: { reason: 'FinalizerRestored', message } };
  },
};

/** What is to be written on an object: which rows of the table it is for, in one patch, and the events that follow. */
export interface Repair<R extends string = string> {
  readonly rows: readonly R[];
  readonly patch: RepairPatch;
  readonly events: readonly RepairEvent[];
}

/**
 * The one write that makes a host right again; undefined when nothing is wrong, or nothing is known by which it could
 * be repaired. `machine`: the one that the host leads to, as it was found. Nothing is written on a host that is being
 * moved; whether its machine is, the caller judges.
 */
export function hostRepair(host: PhysicalHost, machine: Beskar7Machine | undefined): Repair<HostRepair> | undefined {
  if (isBeingMoved(host)) return undefined;
  const found = machine !== undefined && (isLedTo(host, machine) || isNamedBy(host, machine)) ? machine : undefined;
  const marks: Marks = { host, holding: holdingOf(host, found), machine: found };
  return merged((Object.keys(HOST_REPAIRS) as HostRepair[]).map((row) => [row, HOST_REPAIRS[row](marks)] as const));
}

/** What a machine may lose while it holds hosts. */
export type MachineRepair = 'finalizer';

/** The machine, and the hosts that carry its uid. */
interface Holder {
  readonly machine: Beskar7Machine;
  readonly held: readonly PhysicalHost[];
}

/**
 * What a claim consists of on its machine; rows as above. `spec.providerID` is no row: only the run knows that nothing
 * else is to be written before it (rule 9), and the machine watcher starts one as long as it is missing.
 */
const MACHINE_REPAIRS: Readonly<Record<MachineRepair, (holder: Holder) => Fix | undefined>> = {
  // Without it the machine would be deleted without its deprovision: its server would run on and its host stay claimed.
  finalizer: ({ machine, held }) => {
    if (held.length === 0 || !missesFinalizer(machine)) return undefined;
    // A run is under way for it: clusterctl waits for that (rule 16).
    const isInFlight = held.some((host) => claimIn(host, 'Claimed', 'Armed') !== undefined);
    const hosts = held.map(({ metadata: { name } }) => name).join(', ');
    const message =
      `The machine holds host ${hosts} and had lost its finalizer ${FINALIZER_MACHINE}: it was put back, so that deleting the machine ` +
      'releases the host. Change Beskar7Machines by apply, patch or edit, and not by replace.';
    return { patch: ownMachinePatch(machine, isInFlight), event: { reason: 'FinalizerRestored', message } };
  },
};

/** The same for a machine; `held`: the hosts that carry its uid. */
export function machineRepair(
  machine: Beskar7Machine,
  held: readonly PhysicalHost[],
): Repair<MachineRepair> | undefined {
  return merged(
    (Object.keys(MACHINE_REPAIRS) as MachineRepair[]).map((row) => [row, MACHINE_REPAIRS[row]({ machine, held })]),
  );
}

function merged<R extends string>(fixes: readonly (readonly [R, Fix | undefined])[]): Repair<R> | undefined {
  const due = fixes.flatMap(([row, fix]) => (fix === undefined ? [] : [{ row, fix }]));
  if (due.length === 0) return undefined;
  let patch: RepairPatch = {};
  const events = new Map<string, RepairEvent>();
  for (const { fix } of due) {
    const { metadata, spec } = fix.patch;
    patch = {
      ...patch,
      ...(metadata === undefined ? {} : { metadata: { ...patch.metadata, ...metadata } }),
      ...(spec === undefined ? {} : { spec: { ...patch.spec, ...spec } }),
    };
    if (fix.event !== undefined) events.set(fix.event.message, fix.event);
  }
  return { rows: due.map(({ row }) => row), patch, events: [...events.values()] };
}

/** A new claim for a server that runs its machine: what belonged to the lost one (tokens, deadlines) ended with it. */
export function handedOverAgain(host: PhysicalHost, machine: Beskar7Machine): HandedOver {
  return restoreHandedOver(lostIdOf(host), handledOf(machine)?.specHash);
}

/** The claim by which a host is released whose own claim was lost. */
function releasedForLoss(host: PhysicalHost, machine: Beskar7Machine): Releasing {
  const reason = `ClaimLost: the claim (annotation ${ANNOTATION_CLAIM}) of host ${host.metadata.name} was lost or could not be read.`;
  return restoreReleasing(lostIdOf(host), { reason, wasHandedOver: isNamedBy(host, machine) });
}

/**
 * The id of the lost claim, where the status still has it: its run, its boot Secret and its facts are found by it.
 */
function lostIdOf({ status }: PhysicalHost): string | undefined {
  return status?.bootToken?.claim ?? status?.inspection?.claim ?? status?.handover?.claim;
}

/**
 * Whether an unclaimed host runs the machine by that machine's own providerID, as Beskar7 has written it: it was
 * neither released nor enrolled since. An enrolment leaves a running server on, and reports it; a release confirms that
 * it is off. A host whose enrolment never succeeded knows no hardware, and nothing of its server.
 */
function runsUnclaimed(host: PhysicalHost, machine: Beskar7Machine): boolean {
  if (!isNamedBy(host, machine) || !isProviderIDOurs(machine) || isBeingDeleted(machine)) return false;
  const { state, powerState, hardware } = host.status ?? {};
  if (state === undefined || state === 'Ready') return true;
  return state === 'Available' ? powerState === 'On' : hardware === undefined;
}

/** The same patch with our finalizer, where the host lacks it and may still get it. */
export function withHostFinalizer(
  host: PhysicalHost,
  patch: RepairPatch & { readonly metadata: object },
): RepairPatch & { readonly metadata: object } {
  const { finalizers = [] } = host.metadata;
  if (finalizers.includes(FINALIZER_HOST) || isBeingDeleted(host)) return patch;
  return { ...patch, metadata: { ...patch.metadata, finalizers: [...finalizers, FINALIZER_HOST] } };
}

function nameOf({ metadata: { namespace, name } }: Beskar7Machine): string {
  return `Beskar7Machine ${namespace}/${name}`;
}

function marksRestored(machine: string): RepairEvent {
  return {
    reason: 'ClaimRestored',
    message: `The host was claimed for ${machine} and had lost spec.consumerRef or its label: they were written again. ${ADVICE}`,
  };
}
