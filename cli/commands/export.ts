import { writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { PhysicalHost } from '../../crds/physicalHost.ts';
import { HOSTS, MACHINES } from '../../kube/resource.ts';
import { explainMachine, type Explanation } from '../../view/explain.ts';
import { timelineOf } from '../../view/timeline.ts';
import type { Step } from '../../web/shared/api.ts';
import { visibleJson } from '../../untrusted/text.ts';
import { workflowId } from '../../contracts/names.ts';
import { eventsOf, hostOf, ownerOf, progressOf } from '../around.ts';
import { CliError, endOf, EXIT } from '../exit.ts';
import { tidied } from '../output.ts';
import { cleanSentences, historyWithoutSecrets, withoutSecrets } from '../redact.ts';
import { nameOf, read } from '../references.ts';
import { describe, runsOf, wholeHistory, type Run } from '../runs.ts';
import type { Session, Temporal } from '../session.ts';

/** Flags of `kubectl beskar7 export`. */
export interface ExportFlags {
  /** Where to; `-` is standard output. Default: `<machine>.beskar7-export.json` in this folder. */
  readonly file?: string;
  /** How many of the newest provisionings. */
  readonly runs: number;
}

/** What the file holds. No Secret is read for it, and what looks like one is taken out. */
export interface Export {
  readonly kind: 'Beskar7Export';
  readonly version: 1;
  readonly exportedAt: string;
  /** For the maintainer. */
  readonly replay: string;
  readonly explanation: Explanation;
  /** The machine, its host, its owner: those that there are. */
  readonly resources: readonly object[];
  readonly events: readonly object[];
  readonly runs: readonly (Omit<Run, 'pending'> & {
    readonly steps: readonly Step[];
    /** In the JSON form of protobuf, as `temporal workflow show -o json` writes it. */
    readonly history: unknown;
  })[];
  /** What could not be had, and why. */
  readonly missing: readonly string[];
}

/** `kubectl beskar7 export <machine>`. */
export async function exportMachine(session: Session, text: string, flags: ExportFlags): Promise<void> {
  const machine = await read(session, MACHINES, nameOf(text, 'machine'));
  const { namespace, name } = machine.metadata;
  const missing: string[] = [];
  const host = await hostOf(session, machine);
  const [owner, progress, events, runs] = await Promise.all([
    ownerOf(session, machine),
    progressOf(session, machine.metadata),
    Promise.all([machine, ...(host === undefined ? [] : [host])].map((object) => eventsOf(session, object)))
      .then((all) => all.flat())
      .catch((error: unknown) => {
        missing.push(`events: ${endOf(error).message}`);
        return [];
      }),
    session.tryTemporal((temporal) => runsAround(temporal, { namespace, name }, host, flags.runs)),
  ]);
  if (runs.silent !== undefined) missing.push(`the histories of Temporal: ${runs.silent}`);
  const around = { host, owner, progress: progress.value };
  const content: Export = {
    kind: 'Beskar7Export',
    version: 1,
    exportedAt: new Date(session.io.nowMs()).toISOString(),
    replay: 'In a checkout of Beskar7: node tools/commands/replay.ts <this file>',
    explanation: cleanSentences(explainMachine(machine, around)) as Explanation,
    resources: [
      tidied(MACHINES, machine),
      ...(host === undefined ? [] : [tidied(HOSTS, host)]),
      ...(owner === undefined ? [] : [owner]),
    ].map((one) => withoutSecrets(one) as object),
    events: events.map((event) => withoutSecrets(event) as object),
    runs: runs.value ?? [],
    missing,
  };
  const json = visibleJson(`${JSON.stringify(content, undefined, 2)}\n`);
  for (const line of missing) session.io.tell(`note: not in it: ${line}`);
  if (flags.file === '-') return session.io.out(json);
  const file = flags.file ?? `${name}.beskar7-export.json`;
  await write(file, json);
  session.io.out(`${file}\n`);
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new CliError(EXIT.refused, `${file} is there already: name another one by --file.`);
    throw new CliError(EXIT.error, `${file} cannot be written: ${(error as Error).message}`);
  }
}

/** The newest provisionings of the machine, its deprovisioning, and the newest runs of its host. */
async function runsAround(
  temporal: Temporal,
  machine: { namespace: string; name: string },
  host: PhysicalHost | undefined,
  most: number,
): Promise<Export['runs']> {
  const { namespace = '', name = '' } = host?.metadata ?? {};
  const runs = [
    ...(await provisionings(temporal, workflowId('provision', machine), most)),
    ...(await runsOf(temporal, ['deprovision'], machine)),
    ...(host === undefined ? [] : await runsOf(temporal, ['enroll', 'release'], { namespace, name })),
  ];
  const found: Export['runs'][number][] = [];
  for (const { pending, ...run } of runs) {
    const history = await wholeHistory(temporal, run);
    const steps = timelineOf(history, pending).map((step) => cleanSentences(step) as Step);
    const json: unknown = JSON.parse(historyToJSON(history as Parameters<typeof historyToJSON>[0]));
    found.push({ ...run, steps, history: historyWithoutSecrets(json) });
  }
  return found;
}

/** Newest first. Temporal's list is a moment late: the newest is asked for by its id. */
async function provisionings(temporal: Temporal, id: string, most: number): Promise<Run[]> {
  const newest = await describe(temporal, id);
  if (newest === undefined) return [];
  const runs = [newest];
  const { client } = temporal;
  const query = `WorkflowId="${id}"`;
  for await (const { runId } of client.workflow.list({ query, pageSize: most + 1 })) {
    if (runs.length >= most) break;
    if (runId === newest.runId) continue;
    const run = await describe(temporal, id, runId);
    if (run !== undefined) runs.push(run);
  }
  return runs;
}
