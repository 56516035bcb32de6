import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { isFreeAndOff } from '../support/atTheBmc.ts';
import { Plugin } from '../support/plugin.ts';
import { World } from '../support/world.ts';

jest.setTimeout(240_000);

/** A question of docs/questions.md with the one line that answers it. */
interface Question {
  readonly number: number;
  readonly text: string;
  readonly line: string;
}

const page = readFileSync(path.join(process.cwd(), 'docs/questions.md'), 'utf8');
const questions: Question[] = page
  .split(/^## (?=\d)/m)
  .slice(1)
  .map((section) => {
    const [, number = '', text = ''] = /^(\d+)\. (.*)\n/.exec(section) ?? [];
    const blocks = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block.trim());
    expect({ text, blocks: blocks.length, lines: blocks[0]?.split('\n').length }).toEqual({
      text,
      blocks: 1,
      lines: 1,
    });
    return { number: Number(number), text, line: blocks[0] ?? '' };
  });

const world = new World('metal', ['--resync=2s']);
// The page names the Temporal namespace that an installation has: no other world uses it.
world.forgetTemporal('beskar7');
world.hostName = (number) => `rack1-0${number}`;
let plugin: Plugin;
const on = (host: string) => ({ hostSelector: { matchLabels: { only: host } } });

/** What the line of each question has to say, in the words of the page; then what has to come of it. */
const ANSWERS: Readonly<Record<number, { readonly says: readonly RegExp[]; readonly then?: () => Promise<unknown> }>> =
  {
    1: {
      says: [
        /^worker-01 +Inspecting +rack1-01 +WaitingForInspection/m,
        /^worker-02 +Provisioned +rack1-02/m,
        /^worker-03 +Failed/m,
        /^worker-05 +Claiming +- +NoMatchingHost/m,
      ],
    },
    2: { says: [/^rack1-05 +Available/m, /^rack1-03 +Available/m, /^(?![\s\S]*rack1-0[124])/] },
    3: { says: [/waits for the report of the inspection image, since \S+ \(\d+/, /At the latest \S+ \(in \d+ min\)/] },
    4: { says: [/No free host fits .*asked for accelerator=h100, looked at 5 hosts \(.*\d with other labels/] },
    5: { says: [/HardwareRequirementsNotMet: Host rack1-03 .*minCPUCores: 512 asked for, \d+ found/] },
    6: { says: [/^\S+ +worker-03 +Failed .*512 asked for/m] },
    7: { says: [/^\S+ +done +Wait for the report +\d+(\.\d+)? m?s$/m, /The run has ended: COMPLETED/] },
    8: { says: [/POST \S+ComputerSystem\.Reset 20\d in \d+ ms/] },
    9: { says: [/Cores +16/, /Memory +64 GiB/, /^ +\/dev\/sda +500 GB/m, /^ +eth0 +\S+ +up/m] },
    10: { says: [/^- cores: 16$/m, /^\+ cores: \d$/m] },
    11: { says: [/^rack1-02 +Ready +On +worker-02/m] },
    12: { says: [/does not answer|refused|unreachable/i, /kubectl beskar7 .*force-release rack1-04 --reason/] },
    13: {
      says: [/rack1-04 released by force/],
      then: async () => {
        await world.machineIsGone('worker-04');
        expect(await world.kubectl('get', 'events')).toMatch(/ForceReleased[\s\S]*ticket 4711/);
      },
    },
    14: {
      says: [/worker-03 retry requested/],
      then: () =>
        world.untilMachine('worker-03', 'in another run', ({ status }) => status?.workflow?.runID !== failedRun),
    },
    15: {
      says: [/worker-01 cancel requested/],
      then: async () => {
        await world.machineIs('worker-01', 'Failed');
        await isFreeAndOff(world, 'rack1-01');
      },
    },
    16: {
      says: [/rack1-05 annotated/],
      then: () =>
        world.untilHost('rack1-05', 'out of service', ({ metadata }) =>
          Boolean(metadata.annotations?.['beskar7.io/unschedulable']),
        ),
    },
    17: { says: [/^good +Temporal: namespace beskar7/m, /^good +workers for workflows: [1-9]/m, /^(?![\s\S]*^bad)/m] },
    18: { says: [/WorkflowId +provision\/metal\/worker-02/, /Status +COMPLETED/] },
    19: { says: [/HardwareValidationFailed .*512 asked for/] },
    20: { says: [/^worker-03\.beskar7-export\.json$/m] },
  };

let failedRun: string | undefined;

beforeAll(async () => {
  await world.start({ hosts: 5, profile: 'generic' });
  plugin = new Plugin(world);
  await plugin.useNamespace();
  for (const number of [1, 2, 3, 4, 5])
    await world.kubectl('label', 'physicalhost', `rack1-0${number}`, `only=rack1-0${number}`);
  await world.fleet.fault('sim-0001', { neverReports: true });
  await world.addMachine('worker-03', { ...on('rack1-03'), hardwareRequirements: { minCPUCores: 512 } });
  for (const number of [1, 2, 4]) await world.addMachine(`worker-0${number}`, on(`rack1-0${number}`));
  await world.addMachine('worker-05', { hostSelector: { matchLabels: { accelerator: 'h100' } } });
  for (const machine of ['worker-02', 'worker-04']) await world.machineIs(machine, 'Provisioned');
  const first = await world.machineIs('worker-03', 'Failed');
  // A second report, of less.
  await world.fleet.fault('sim-0003', { smallHardware: true });
  await plugin.out('retry', 'worker-03');
  const again = await world.untilMachine(
    'worker-03',
    'Failed once more',
    ({ status }) => status?.phase === 'Failed' && status.workflow?.runID !== first.status?.workflow?.runID,
  );
  failedRun = again.status?.workflow?.runID;
  await isFreeAndOff(world, 'rack1-03');
  await world.fleet.fault('sim-0004', { refuse: true });
  await world.kubectl('delete', 'beskar7machine', 'worker-04', '--wait=false');
  await world.untilHost('rack1-04', 'being released', ({ status }) =>
    (status?.conditions ?? []).some(({ reason }) => reason === 'ReleasePending'),
  );
  await world.machineIs('worker-01', 'Inspecting');
  await world.untilMachine('worker-05', 'waiting for a host', ({ status }) =>
    (status?.conditions ?? []).some(({ message }) => message.includes('looked at 5 hosts')),
  );
});
afterAll(async () => {
  await world.stop();
  plugin.remove();
});

describe('the questions of docs/questions.md', () => {
  test('are twenty, numbered, and each has an answer here', () => {
    expect(questions.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(Object.keys(ANSWERS).map(Number)).toEqual(questions.map(({ number }) => number));
  });

  test.each(questions.map((question) => [question.number, question.text, question.line] as const))(
    '%i. %s',
    async (number, _text, line) => {
      const { code, stdout, stderr } = await plugin.shell(line);
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      const answer = ANSWERS[number];
      for (const wanted of answer?.says ?? []) expect(stdout).toMatch(wanted);
      await answer?.then?.();
    },
  );
});
