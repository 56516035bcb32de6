import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { Gateway, NO_CALLBACK_FAULTS, type Sleep } from '../../chaos/gateway.ts';
import { Random } from '../../chaos/random.ts';
import type { CallbackRecord } from '../../chaos/records.ts';

/** Draws what it is told, in turn. */
class Told extends Random {
  readonly #numbers: number[];

  constructor(...numbers: number[]) {
    super(0);
    this.#numbers = numbers;
  }

  override next(): number {
    return this.#numbers.shift() ?? 0;
  }
}

const FIRST_PROCESS = 0;
const DUE = 0;
const TOGETHER = 0;
const LATER = 0.9;

let processes: Server[];
let calls: { process: number; at: number; body: string; answer: ServerResponse }[];
let records: CallbackRecord[];
let gateway: Gateway;
let agent: Agent;
let isAnswering: boolean;
/** Ends the sleep of the late duplicate, which would else last as long as the numbers say. */
let wake: (() => void) | undefined;
let sleptMs: number[];

const sleep: Sleep = (ms, signal) => {
  sleptMs.push(ms);
  return new Promise<void>((resolve, reject) => {
    wake = resolve;
    signal.addEventListener('abort', () => reject(new Error('closed')));
  });
};

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const until = async (what: () => boolean) => {
  for (let tries = 0; tries < 400 && !what(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(what()).toBe(true);
};

beforeEach(async () => {
  calls = [];
  records = [];
  isAnswering = true;
  wake = undefined;
  sleptMs = [];
  agent = new Agent();
  processes = await Promise.all(
    [0, 1].map(async (process) => {
      const server = createServer((incoming, answer) => {
        let body = '';
        incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
        incoming.on('end', () => {
          calls.push({ process, at: performance.now(), body, answer });
          if (isAnswering) answer.writeHead(process === 0 ? 202 : 401).end();
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
});

afterEach(async () => {
  await gateway.close();
  await agent.destroy();
  for (const server of processes) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function send(...numbers: number[]): Promise<number> {
  gateway = new Gateway(processes.map(urlOf), new Told(...numbers), (record) => records.push(record), sleep);
  gateway.faults = { ...NO_CALLBACK_FAULTS, duplicate: 1 };
  await gateway.listen(0);
  return post();
}

async function post(): Promise<number> {
  const { statusCode, body } = await request(`http://127.0.0.1:${gateway.port}/api/v1/inspection/ns/h`, {
    method: 'POST',
    dispatcher: agent,
    headers: { authorization: 'Bearer t0' },
    body: '{"n":1}',
  });
  await body.dump();
  return statusCode;
}

test('a duplicate goes to the other process while the first one is under way, and is a record of its own', async () => {
  isAnswering = false;
  const sent = send(FIRST_PROCESS, DUE, TOGETHER);
  await until(() => calls.length === 2);
  expect(calls.map(({ process, body }) => [process, body]).sort()).toEqual([
    [0, '{"n":1}'],
    [1, '{"n":1}'],
  ]);
  for (const { process, answer } of calls) answer.writeHead(process === 0 ? 202 : 401).end();
  expect(await sent).toBe(202);
  await until(() => records.length === 2);
  expect(records.map(({ status }) => status).sort()).toEqual([202, 401]);
  const { at: _at, status: _status, ...same } = records[0] as CallbackRecord;
  expect(records[1]).toMatchObject({ ...same, isForwarded: true, route: 'inspection' });
  expect([...gateway.counts]).toEqual([['duplicate', 1]]);
});

test('a late one comes after the next call, and nobody waits for it', async () => {
  expect(await send(FIRST_PROCESS, DUE, LATER, 0.5)).toBe(202);
  gateway.faults = NO_CALLBACK_FAULTS;
  expect(await post()).toBe(202);
  expect(calls.map(({ process }) => process)).toEqual([0, 0]);
  expect(sleptMs).toEqual([10_000]);
  wake?.();
  await until(() => calls.length === 3);
  expect(calls[2]?.process).toBe(1);
  await until(() => gateway.counts.get('late duplicate') === 1);
});

test('a late one is not sent any more when the gateway closes, and is not counted', async () => {
  await send(FIRST_PROCESS, DUE, LATER, 0.5);
  expect(sleptMs).toEqual([10_000]);
  await gateway.close();
  wake?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect([calls.length, records.length, gateway.counts.size]).toEqual([1, 1, 0]);
});
