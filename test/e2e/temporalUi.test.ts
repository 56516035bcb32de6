import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { temporalLines, temporalPage, temporalWords } from '../support/temporalPage.ts';
import { World } from '../support/world.ts';

jest.setTimeout(120_000);

const world = new World('e2e-temporal-ui', ['--resync=2s']);
const id = `provision/${world.namespace}/m-1`;
const run = () => world.temporal.workflow.getHandle(id);

/** Those for an administrator are run by temporalAuthorizer.test.ts. */
const lines = temporalLines('an operator');
const ran = new Set<string>();

/** The one line of the page that begins so, with the names of this world. */
async function runLine(start: string): Promise<string> {
  const [line, ...more] = lines.filter((candidate) => candidate.startsWith(`temporal ${start}`));
  expect({ start, line, more }).toEqual({ start, line: expect.any(String), more: [] });
  ran.add(line ?? '');
  return world.temporalCli(...temporalWords(line ?? '').map(named));
}

function named(word: string): string {
  return word
    .replaceAll('worker-01', 'm-1')
    .replaceAll('rack1-01', 'host-1')
    .replaceAll('/default/', `/${world.namespace}/`)
    .replaceAll('"default"', `"${world.namespace}"`);
}

/** Visibility is told a moment later, and nothing tells when. */
async function untilItSays(start: string, wanted: RegExp): Promise<void> {
  const until = performance.now() + 20_000;
  for (;;) {
    const output = await runLine(start);
    if (wanted.test(output)) return;
    if (performance.now() > until) expect(output).toMatch(wanted);
  }
}

/** What the user metadata of an event says. */
function summaries(
  events: readonly { eventType?: unknown; userMetadata?: { summary?: { data?: Uint8Array | null } | null } | null }[],
) {
  return events.map(({ userMetadata }) => {
    const data = userMetadata?.summary?.data;
    return data ? (JSON.parse(Buffer.from(data).toString('utf8')) as string) : undefined;
  });
}

beforeAll(async () => {
  await world.start({ hosts: 1, profile: 'generic' });
  await world.fleet.fault('sim-0001', { neverReports: true });
  await world.addMachine('m-1');
  await world.hostIs('host-1', 'Inspecting');
});
afterAll(() => world.stop());

describe('the lines of docs/temporal.md', () => {
  test('find: by type, machine, host and phase', async () => {
    await untilItSays(`workflow list -n beskar7 --query 'ExecutionStatus="Running"`, new RegExp(id));
    await untilItSays(
      `workflow list -n beskar7 --query 'Beskar7Namespace="default" AND Beskar7Machine`,
      new RegExp(id),
    );
    await untilItSays(
      `workflow list -n beskar7 --query 'Beskar7Namespace="default" AND Beskar7Host`,
      new RegExp(`${id}[\\s\\S]*enroll/${world.namespace}/host-1|enroll/${world.namespace}/host-1[\\s\\S]*${id}`),
    );
    await untilItSays('workflow count', /Total: [1-9]/);
  });

  test('read: where it is, as Markdown with links and as JSON, and its history', async () => {
    expect(await runLine('workflow describe')).toContain(id);
    const metadata = await runLine('workflow metadata');
    expect(metadata).toContain('**Inspecting** since');
    expect(metadata).toContain(`kubectl -n ${world.namespace} describe b7m m-1`);
    expect(metadata).toContain(`temporal workflow cancel -n ${world.temporalNamespace} -w ${id}`);
    expect(metadata).toContain(`[${world.namespace}/host-1](/namespaces/${world.temporalNamespace}/workflows?query=`);
    expect(await runLine('workflow query')).toMatch(/"waitingFor":\s*"the report of the inspection image"/);
    expect(await runLine('workflow show')).toContain('ActivityTaskScheduled');
    expect(await runLine('workflow stack')).toContain('provisionMachine');
  });

  test('is anybody working: each queue has a poller, the search attributes are registered', async () => {
    for (const queue of ['beskar7', 'power-on', 'await-run', 'bmc']) {
      expect(await runLine(`task-queue describe -n beskar7 --task-queue ${queue}`)).toMatch(/\d+@\S+|minutes? ago|now/);
    }
    const attributes = await runLine('operator search-attribute list');
    for (const name of attributeNames()) expect(attributes).toMatch(new RegExp(`${name}\\s+Keyword`));
    expect(await runLine('operator namespace describe')).toMatch(/RetentionTtl +\d+h/);
  });

  test('cancel: Failed with reason Cancelled, and the details say how to try again', async () => {
    await runLine('workflow cancel');
    await world.machineIs('m-1', 'Failed');
    await isFreeAndOff(world, 'host-1');
    await expect(run().result()).rejects.toThrow(/cancel/i);
    const metadata = await runLine('workflow metadata');
    expect(metadata).toMatch(/\*\*Failed\*\* since[\s\S]*Cancelled: Cancelled on host host-1/);
    expect(metadata).toContain('beskar7.io/retry=');
  });

  test('reset: a new attempt to its end, whose history tells of its host by name', async () => {
    await world.fleet.heal();
    await runLine('workflow reset');
    await world.machineIs('m-1', 'Provisioned');
    expect(await run().result()).toContain('was provisioned on host host-1');
    const { events } = await run().fetchHistory();
    for (const wanted of ['Claims a host that fits', 'PXE boot of host-1 by Redfish', 'Hands host-1 over'])
      expect(summaries(events ?? [])).toContain(wanted);
  });

  test('find: a run that failed', async () => {
    await world.kubectl('delete', 'beskar7machine', 'm-1', '--wait=false');
    await world.machineIsGone('m-1');
    await world.fleet.fault('sim-0001', { smallHardware: true });
    await world.addMachine('m-1', { hardwareRequirements: { minCPUCores: 16 } });
    await world.machineIs('m-1', 'Failed');
    await isFreeAndOff(world, 'host-1');
    await untilItSays(
      `workflow list -n beskar7 --query 'WorkflowType="provisionMachine" AND ExecutionStatus`,
      new RegExp(id),
    );
  });

  test('terminate: the watcher starts a run that goes on', async () => {
    await world.kubectl('annotate', 'physicalhost', 'host-1', 'beskar7.io/unschedulable=test');
    await world.kubectl('annotate', 'beskar7machine', 'm-1', 'beskar7.io/retry=1');
    const { status } = await world.machineIs('m-1', 'Claiming');
    await runLine('workflow terminate');
    await world.untilMachine('m-1', 'taken up by another run', (machine) => {
      return machine.status?.workflow?.runID !== status?.workflow?.runID;
    });
    await world.kubectl('delete', 'beskar7machine', 'm-1', '--wait=false');
    await world.machineIsGone('m-1');
  });

  test('signal: an enrolment that waits tries again at once', async () => {
    const bmc = world.fleet.hosts[0]?.address ?? '';
    await world.fleet.heal();
    await isFreeAndOff(world, 'host-1');
    await world.kubectl('delete', 'physicalhost', 'host-1', '--wait=false');
    await world.hostIsGone('host-1');
    await world.addHost('host-1', bmc, { redfishConnection: { address: bmc, credentialsSecretRef: 'late' } });
    await world.untilHost('host-1', 'without its Secret', ({ status }) =>
      (status?.conditions ?? []).some(({ reason }) => reason === 'SecretMissing'),
    );
    const keys = ['--from-literal=username=admin', `--from-literal=password=${world.password}`];
    await world.kubectl('create', 'secret', 'generic', 'late', ...keys);
    await runLine('workflow signal');
    await world.hostIs('host-1', 'Available');
  });

  test('no line was left out', () => {
    expect(lines.filter((line) => !ran.has(line))).toEqual([]);
    expect(lines.length).toBeGreaterThan(15);
  });
});

describe('the Web UI reads as a story', () => {
  test('each activity and timer of the runs so far has a summary, each run a summary and details', async () => {
    const query = `Beskar7Namespace = "${world.namespace}"`;
    let seen = 0;
    const told: (string | undefined)[] = [];
    for await (const { workflowId, runId } of world.temporal.workflow.list({ query })) {
      const { events } = await world.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
      const story = (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes ?? event.timerStartedEventAttributes,
      );
      seen += story.length;
      told.push(...summaries(story));
      expect({ workflowId, without: summaries(story).filter((text) => text === undefined).length }).toEqual({
        workflowId,
        without: 0,
      });
      const [start] = events ?? [];
      expect(summaries([start ?? {}])[0]).toContain(world.namespace);
      expect(start?.userMetadata?.details).toBeTruthy();
    }
    expect(seen).toBeGreaterThan(20);
    // The timer of the first run, which was cancelled while it waited.
    expect(told).toContain('Inspection timeout');
  });
});

function attributeNames(): string[] {
  return [...new Set(temporalPage.match(/Beskar7(Namespace|Machine|Host|Phase)/g))];
}
