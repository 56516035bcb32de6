import { missingKeys, missingKeysText } from '../../codec/history.ts';
import { MACHINES } from '../../kube/resource.ts';
import type { HistoryEvent } from '../../view/historyParts.ts';
import { WAIT_FOR_WORKER } from '../../view/stepNames.ts';
import { timelineOf } from '../../view/timeline.ts';
import { duration } from '../../web/shared/measures.ts';
import type { Step } from '../../web/shared/api.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { paintFor, plain, type Colour, type Io, type Paint } from '../io.ts';
import { writeData, type DataFormat } from '../output.ts';
import { resolve } from '../references.ts';
import { describe, historyOf, isOpen, runsOf, wholeHistory, type Run } from '../runs.ts';
import type { Session, Temporal } from '../session.ts';
import { changesOf } from '../watch.ts';

/** Flags of `kubectl beskar7 trace`. */
export interface TraceFlags {
  readonly follow?: boolean;
  /** The run to show; default: the newest, an open one first. */
  readonly run?: string;
  /** With what was asked of the BMC. */
  readonly bmc?: boolean;
  readonly output: DataFormat;
}

/** `kubectl beskar7 trace <machine|host> [-f]`: the timeline of the newest run. */
export async function trace(session: Session, text: string, flags: TraceFlags): Promise<ExitCode> {
  if (flags.follow === true && flags.output !== 'text')
    throw new CliError(EXIT.usage, '--follow prints text: leave out --output or --follow.');
  const temporal = await session.temporal();
  const subject = await subjectOf(session, text);
  const run = await runOf(session, temporal, subject, flags);
  if (flags.follow === true) return follow(session, temporal, run, flags);
  const history = await wholeHistory(temporal, run);
  tellOfMissingKeys(session.io, history);
  const steps = timelineOf(history, run.pending);
  if (flags.output === 'text') session.io.out(timelineText(session.io, run, steps, flags));
  else writeData(session.io, flags.output, { ...withoutPending(run), steps });
  return EXIT.ok;
}

type Shown = Pick<TraceFlags, 'bmc'>;

interface Subject {
  readonly kind: 'machine' | 'host';
  readonly namespace: string;
  readonly name: string;
}

/** A machine goes before a host of the same name. What is gone from the cluster may be known to Temporal still. */
async function subjectOf(session: Session, text: string): Promise<Subject> {
  const namespace = await session.namespace();
  try {
    const { machine, host } = await resolve(session, text);
    const name = machine?.metadata.name ?? host?.metadata.name ?? '';
    return { kind: machine === undefined ? 'host' : 'machine', namespace, name };
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== EXIT.notFound || text.includes('host/')) throw error;
    const name = text.split('/').at(-1) ?? text;
    const known = await runsOf(await session.temporal(), ['provision', 'deprovision'], { namespace, name });
    if (known.length === 0) throw error;
    return { kind: 'machine', namespace, name };
  }
}

const KINDS = {
  machine: ['provision', 'deprovision'],
  host: ['release', 'retire', 'enroll'],
} as const;

async function runOf(session: Session, temporal: Temporal, subject: Subject, flags: TraceFlags): Promise<Run> {
  const { kind, namespace, name } = subject;
  if (flags.run !== undefined) {
    for (const one of KINDS[kind]) {
      const run = await describe(temporal, `${one}/${namespace}/${name}`, flags.run).catch(() => undefined);
      if (run !== undefined) return run;
    }
    throw new CliError(EXIT.notFound, `Temporal has no run ${flags.run} of ${kind} ${name} (any more).`);
  }
  const [newest] = await runsOf(temporal, KINDS[kind], subject);
  if (newest !== undefined) return newest;
  if (flags.follow === true && kind === 'machine') return firstRun(session, temporal, subject);
  throw new CliError(
    EXIT.notFound,
    `Temporal has no run of ${kind} ${name} (any more): there was none yet, or its history is gone. See: kubectl beskar7 -n ${namespace} explain ${kind}/${name}`,
  );
}

/** Waits for the first run of a machine. */
async function firstRun(session: Session, temporal: Temporal, subject: Subject): Promise<Run> {
  const { namespace, name } = subject;
  session.io.tell(`Waiting for the provisioning of ${name} to start ...`);
  const listed = await session.listed(MACHINES, { namespace, fieldSelector: `metadata.name=${name}` });
  const look = () => runsOf(temporal, KINDS.machine, subject);
  const [begun] = await look();
  if (begun !== undefined) return begun;
  for await (const { object } of changesOf(session, MACHINES, { namespace }, listed)) {
    if (object.metadata.name !== name) continue;
    const [run] = await look();
    if (run !== undefined) return run;
  }
  throw new CliError(EXIT.notFound, `No provisioning of ${name} has started.`);
}

/** Shows steps as they come and change, until the run is over; continues with the run that takes its place. */
async function follow(session: Session, temporal: Temporal, first: Run, flags: Shown): Promise<ExitCode> {
  const { io } = session;
  for (let run = first; ;) {
    io.out(headOf(paintFor(io), run));
    const events: HistoryEvent[] = [];
    const shown = new Map<string, string>();
    for await (const more of historyOf(temporal, run, true)) {
      if (events.length === 0) tellOfMissingKeys(io, more);
      events.push(...more);
      // What Temporal repeats stands in no event: it is asked for with each answer of the long poll.
      const now = await describe(temporal, run.workflowId, run.runId);
      for (const step of timelineOf({ events }, now?.pending)) {
        const text = stepText(io, step, flags);
        if (isMoment(io, step)) continue;
        if (shown.get(step.id) === text) continue;
        shown.set(step.id, text);
        io.out(text);
      }
    }
    const next = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    const ended = await describe(temporal, run.workflowId, next ?? run.runId);
    if (next !== undefined && next !== null && ended !== undefined) {
      run = ended;
      continue;
    }
    io.out(`${paintFor(io)(`The run has ended: ${ended?.status ?? 'gone'}.`, 'bold')}\n`);
    return ended?.status === 'COMPLETED' ? EXIT.ok : EXIT.error;
  }
}

/** Beside the output: without the keys steps have their names and times only. */
function tellOfMissingKeys(io: Pick<Io, 'tell'>, read: unknown): void {
  const ids = missingKeys(read);
  if (ids.length > 0) io.tell(missingKeysText(ids, 'this command'));
}

/** Each step first waits for a worker: shown if that takes longer. */
function isMoment({ nowMs }: Io, { name, startedAt, endedAt }: Step): boolean {
  return name === WAIT_FOR_WORKER && endedAt === undefined && nowMs() - Date.parse(startedAt) < 2_000;
}

/** A run and its steps for a reader. */
function timelineText(
  io: Pick<Io, 'isTerminal' | 'env' | 'nowMs'>,
  run: Run,
  steps: readonly Step[],
  flags: Shown = {},
): string {
  const end = isOpen(run) ? '' : `\n${paintFor(io)(`The run has ended: ${run.status}.`, 'bold')}\n`;
  return headOf(paintFor(io), run) + steps.map((step) => stepText(io, step, flags)).join('') + end.slice(1);
}

function headOf(paint: Paint, { workflowId, runId, startedAt }: Run): string {
  return `${paint(`${workflowId}, run ${runId}, since ${startedAt}`, 'bold')}\n`;
}

const COLOURS: Readonly<Record<Step['state'], Colour>> = {
  done: 'green',
  running: 'blue',
  waiting: 'yellow',
  failed: 'red',
  cancelled: 'gray',
};
const STATE_WIDTH = 9;
const NAME_WIDTH = 30;
const TOOK_WIDTH = 10;

/**
 * One step: when it started, its state, how long it took, what came out; a line for each failure, and for what comes.
 */
function stepText(io: Pick<Io, 'isTerminal' | 'env'>, step: Step, { bmc = false }: Shown): string {
  const paint = paintFor(io);
  const { state, name, startedAt, endedAt, detail, retries, bmcRequests = [], nextAttemptAt } = step;
  const took = endedAt === undefined ? '' : duration(Date.parse(endedAt) - Date.parse(startedAt));
  const line = [
    clock(startedAt),
    paint(state.padEnd(STATE_WIDTH), COLOURS[state]),
    plain(name).padEnd(NAME_WIDTH),
    took.padStart(TOOK_WIDTH),
    ...(detail === undefined ? [] : [plain(detail).replace(/\s+/g, ' ')]),
  ].join('  ');
  const requests = bmc ? bmcRequests.map((request) => `${' '.repeat(10)}${paint(plain(request), 'gray')}`) : [];
  const more = [
    ...retries.map(({ at, error }) => `failed at ${clock(at)}: ${plain(error).replace(/\s+/g, ' ')}`),
    ...(nextAttemptAt === undefined ? [] : [`tried again at ${clock(nextAttemptAt)}`]),
  ];
  return [line.trimEnd(), ...requests, ...more.map((text) => `${' '.repeat(10)}${paint(text, 'yellow')}`), ''].join(
    '\n',
  );
}

/** The time of day in UTC, to the second: with the line above it is a whole time. */
function clock(time: string): string {
  return time.slice(11, 19);
}

function withoutPending({ pending: _pending, ...run }: Run): Omit<Run, 'pending'> {
  return run;
}
