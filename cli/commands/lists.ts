import { HOST_STATES, type HostState, type PhysicalHost } from '../../crds/physicalHost.ts';
import { MACHINE_PHASES, type Beskar7Machine, type MachinePhase } from '../../crds/beskar7Machine.ts';
import { findCondition, raisedConditions } from '../../crds/conditions.ts';
import { ANNOTATION_UNSCHEDULABLE, LABEL_ZONE } from '../../crds/names.ts';
import { CONDITIONS, RAISED_CONDITIONS } from '../../crds/reasons.ts';
import { alarmOf } from '../../model/alarms.ts';
import { namedConsumer, namedHost } from '../../model/references.ts';
import { HOSTS, MACHINES, type Identified, type Resource } from '../../kube/resource.ts';
import { CliError, EXIT } from '../exit.ts';
import type { Colour } from '../io.ts';
import { listWriter, type ListFormat } from '../output.ts';
import type { Session } from '../session.ts';
import { changesOf } from '../watch.ts';
import { age, type Column } from '../table.ts';

/** Flags of `kubectl beskar7 hosts` and `kubectl beskar7 machines`. */
export interface ListFlags {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output: ListFormat;
  readonly headers: boolean;
  readonly watch?: boolean;
  /** Of hosts: states; of machines: phases; comma separated. */
  readonly only?: string;
  /** Reasons, comma separated. */
  readonly reason?: string;
}

const STATE_COLOURS: Readonly<Record<HostState, Colour | undefined>> = {
  Enrolling: 'blue',
  Available: 'green',
  InUse: 'blue',
  Inspecting: 'blue',
  Ready: undefined,
  Error: 'red',
};
const PHASE_COLOURS: Readonly<Record<MachinePhase, Colour | undefined>> = {
  Pending: 'gray',
  Claiming: 'blue',
  Inspecting: 'blue',
  Validating: 'blue',
  Provisioning: 'blue',
  Provisioned: 'green',
  Failed: 'red',
};

const stateOf = (host: PhysicalHost) => host.status?.state ?? 'Enrolling';
const phaseOf = (machine: Beskar7Machine) => machine.status?.phase ?? 'Pending';
const bmcOf = (host: PhysicalHost) => findCondition(host.status?.conditions, CONDITIONS.redfishReachable);
const readyOf = (object: PhysicalHost | Beskar7Machine) => findCondition(object.status?.conditions, CONDITIONS.ready);

/** `kubectl beskar7 hosts`. */
export function listHosts(session: Session, flags: ListFlags): Promise<void> {
  const columns: Column<PhysicalHost>[] = [
    { header: 'POWER', value: ({ status }) => status?.powerState },
    {
      header: 'BMC',
      value: (host) => bmcOf(host)?.reason,
      colour: (host) => (bmcOf(host)?.status === 'False' ? 'red' : undefined),
    },
    { header: 'MACHINE', value: (host) => namedConsumer(host)?.name },
    { header: 'REASON', value: reasonOfHost },
    {
      header: 'MODEL',
      value: ({ status }) => words(status?.hardware?.manufacturer, status?.hardware?.model),
      isWide: true,
    },
    { header: 'SERIAL', value: ({ status }) => status?.hardware?.serialNumber, isWide: true },
    { header: 'ZONE', value: ({ metadata }) => metadata.labels?.[LABEL_ZONE], isWide: true },
    { header: 'ADDRESS', value: ({ spec }) => spec.redfishConnection.address, isWide: true },
    { header: 'MAC', value: ({ spec, status }) => spec.bootMACAddress ?? status?.macAddresses?.[0], isWide: true },
    { header: 'AGE', value: ({ metadata }) => age(metadata.creationTimestamp, session.io.nowMs()) },
    { header: 'MESSAGE', value: (host) => readyOf(host)?.message, isWide: true },
  ];
  const states = chosen(flags.only, HOST_STATES, 'state');
  const reasons = flags.reason?.split(',');
  const state = { header: 'STATE', of: stateOf, colour: (host: PhysicalHost) => STATE_COLOURS[stateOf(host)] };
  return list(session, flags, HOSTS, state, columns, (host) => {
    const own = [readyOf(host)?.reason, bmcOf(host)?.reason, reasonOfHost(host)];
    return (states?.includes(stateOf(host)) ?? true) && (reasons?.some((reason) => own.includes(reason)) ?? true);
  });
}

/** `kubectl beskar7 machines`. */
export function listMachines(session: Session, flags: ListFlags): Promise<void> {
  const columns: Column<Beskar7Machine>[] = [
    { header: 'HOST', value: (machine) => namedHost(machine)?.name },
    { header: 'REASON', value: (machine) => alarmOf(machine)?.type ?? readyOf(machine)?.reason },
    { header: 'ADDRESS', value: ({ status }) => status?.addresses?.[0]?.address, isWide: true },
    { header: 'ZONE', value: ({ status }) => status?.failureDomain, isWide: true },
    { header: 'PROVIDERID', value: ({ spec }) => spec.providerID, isWide: true },
    { header: 'AGE', value: ({ metadata }) => age(metadata.creationTimestamp, session.io.nowMs()) },
    { header: 'MESSAGE', value: (machine) => (alarmOf(machine) ?? readyOf(machine))?.message, isWide: true },
  ];
  const phases = chosen(flags.only, MACHINE_PHASES, 'phase');
  const reasons = flags.reason?.split(',');
  const phase = {
    header: 'PHASE',
    of: phaseOf,
    colour: (machine: Beskar7Machine) => (alarmOf(machine) ? 'red' : PHASE_COLOURS[phaseOf(machine)]),
  };
  return list(session, flags, MACHINES, phase, columns, (machine) => {
    const own = [readyOf(machine)?.reason, alarmOf(machine)?.type, alarmOf(machine)?.reason];
    return (phases?.includes(phaseOf(machine)) ?? true) && (reasons?.some((reason) => own.includes(reason)) ?? true);
  });
}

interface StateColumn<T> {
  readonly header: string;
  readonly of: (object: T) => string;
  readonly colour: (object: T) => Colour | undefined;
}

async function list<T extends Identified>(
  session: Session,
  flags: ListFlags,
  resource: Resource<T>,
  state: StateColumn<T>,
  columns: readonly Column<T>[],
  isWanted: (object: T) => boolean,
): Promise<void> {
  const isEverywhere = flags.allNamespaces === true;
  const namespace = isEverywhere ? undefined : await session.namespace();
  const gone = new WeakSet<T>();
  const shown: Column<T>[] = [
    ...(isEverywhere ? [{ header: 'NAMESPACE', value: ({ metadata }: T) => metadata.namespace }] : []),
    { header: 'NAME', value: ({ metadata }) => metadata.name },
    {
      header: state.header,
      value: (object) => {
        if (gone.has(object)) return 'Gone';
        return state.of(object) + (object.metadata.deletionTimestamp === undefined ? '' : ',Deleting');
      },
      colour: (object) => (gone.has(object) ? 'gray' : state.colour(object)),
    },
    ...columns,
  ];
  const write = listWriter(session.io, flags.output, resource, shown, flags.headers);
  const ask = { namespace, labelSelector: flags.selector };
  const listed = await session.listed(resource, ask);
  const objects = listed.items.filter(isWanted);
  if (objects.length === 0 && (flags.output === 'table' || flags.output === 'wide'))
    session.io.tell(`No ${resource.plural} found${namespace === undefined ? '' : ` in namespace ${namespace}`}.`);
  write(objects);
  if (flags.watch !== true) return;
  // What was shown is shown once more when it is wanted no longer: or its last line would stand for what it is.
  const visible = new Set(objects.map(({ metadata }) => metadata.uid));
  for await (const { object, isGone } of changesOf(session, resource, ask, listed)) {
    const { uid } = object.metadata;
    const wasShown = visible.delete(uid);
    const isShown = !isGone && isWanted(object);
    if (isShown) visible.add(uid);
    if (isGone) gone.add(object);
    if (isShown || wasShown) write([object]);
  }
}

/** What is wrong with it, before what it does. */
function reasonOfHost(host: PhysicalHost): string | undefined {
  const [raised] = raisedConditions(host.status?.conditions, RAISED_CONDITIONS);
  if (raised !== undefined) return raised.type;
  return host.metadata.annotations?.[ANNOTATION_UNSCHEDULABLE] === undefined ? readyOf(host)?.reason : 'Unschedulable';
}

function chosen<T extends string>(text: string | undefined, all: readonly T[], what: string): T[] | undefined {
  return text?.split(',').map((word) => {
    const found = all.find((one) => one.toLowerCase() === word.trim().toLowerCase());
    if (found === undefined) throw new CliError(EXIT.usage, `"${word}" is no ${what}; there are ${all.join(', ')}.`);
    return found;
  });
}

function words(...parts: (string | undefined)[]): string {
  return parts.filter(Boolean).join(' ');
}
