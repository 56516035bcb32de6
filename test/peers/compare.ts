/**
 * Plays each habit of test/unit/redfish/habits to the client of Beskar7 and to other clients, and prints a table. Each
 * further client is a command that takes address, user, password and what is right to read, and prints one JSON object:
 * step -> "ok" or why not. See docs/bmc-habits.md.
 */
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { drive, RIGHT, seenAt, type Outcome } from '../unit/redfish/habits/drive.ts';
import { HABITS } from '../unit/redfish/habits/habits.ts';
import { PASSWORD, RawBmc, STEPS, USER, type Habit } from '../unit/redfish/habits/rawBmc.ts';

/** Of one client with one BMC; sushy waits for ever where a body does not come. */
const LIMIT_MS = 45_000;
const run = promisify(execFile);

interface Score {
  readonly outcome: Outcome;
  readonly requests: number;
  readonly refused: number;
  readonly left: number;
}

async function score(habit: Habit, client: (bmc: RawBmc) => Promise<Outcome>): Promise<Score> {
  const bmc = await new RawBmc(habit).start();
  const late = { read: 'hangs', pxe: 'hangs', on: 'hangs', off: 'hangs' };
  const outcome = await client(bmc).catch((error: unknown) => {
    const isLate = typeof error === 'object' && error !== null && 'killed' in error && error.killed === true;
    return isLate ? late : mapped(late, () => String(error).split('\n').slice(-3).join(' '));
  });
  const { length: requests } = bmc.seen;
  await bmc.stop();
  return { outcome: seenAt(bmc, outcome), requests, refused: bmc.refusedLogins, left: bmc.sessions.size };
}

function mapped(outcome: Outcome, change: () => string): Outcome {
  return Object.fromEntries(Object.keys(outcome).map((step) => [step, change()])) as Outcome;
}

async function peer(command: string, bmc: RawBmc): Promise<Outcome> {
  const [program = '', ...options] = command.split(' ');
  const args = [...options, bmc.address, USER, PASSWORD, RIGHT];
  const { stdout } = await run(program, args, { timeout: LIMIT_MS, killSignal: 'SIGKILL' });
  return { ...mapped({ read: '', pxe: '', on: '', off: '' }, () => 'not told'), ...(JSON.parse(stdout) as Outcome) };
}

function cell({ outcome, requests, refused, left }: Score): string {
  const failed = STEPS.filter((step) => outcome[step] !== 'ok');
  const what = failed.length === 0 ? 'all' : failed.length === STEPS.length ? 'nothing' : `not ${failed.join(', ')}`;
  const harm = [refused > 1 ? `${refused} log-ins refused` : '', left > 0 ? `${left} sessions left` : ''];
  return [what, `${requests} requests`, ...harm.filter((text) => text !== '')].join('; ');
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { habit: { type: 'string', multiple: true }, why: { type: 'boolean', default: false } },
});
const peers = positionals.map((text) => ({ name: text.split('=', 1)[0] ?? '', command: text.replace(/^[^=]*=/, '') }));
const print = (...cells: string[]): void => void process.stdout.write(`| ${cells.join(' | ')} |\n`);
print('habit', 'who does it', 'Beskar7', ...peers.map(({ name }) => name));
print('---', '---', '---', ...peers.map(() => '---'));
for (const habit of HABITS.filter(({ name }) => values.habit?.includes(name) ?? true)) {
  const scores = await Promise.all([
    score(habit, (bmc) => drive(bmc, habit)),
    ...peers.map(({ command }) => score(habit, (bmc) => peer(command, bmc))),
  ]);
  print(habit.name, habit.of, ...scores.map(cell));
  if (values.why) for (const { outcome } of scores) process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
