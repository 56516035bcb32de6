import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { claimOf } from '../../../model/claim.ts';
import { handledOf } from '../../../model/handled.ts';
import { plannedSpec } from '../../../model/plan.ts';
import { parseServer } from '../../../model/serverIdentity.ts';
import { parseObject } from '../../../redfish/json.ts';
import { JSON_BOUNDS, JsonRefused, parseJson } from '../../../untrusted/json.ts';
import { payloadConverter, UnreadablePayload } from '../../../workflows/payloadConverter.ts';
import { machine } from '../controllers/builders.ts';

const bounds = { maxLength: 1000, maxDepth: 3, maxMarks: 10 };
/** CPU time, so that other work on the machine does not count. */
function costMs(act: () => unknown): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('JSON of strangers', () => {
  test.each([
    ['{"a":[{"b":1}]}'],
    ['[1,2,3,4,5,6,7,8,9]'],
    ['"[[[[[[{{{{,,,,,,,,,,,,,"'],
    ['{"[[[[\\"[[[[,,,,,,,,,,\\\\":"{{{{"}'],
    ['"\\\\"'],
    [' null '],
  ])('within its bounds is what JSON.parse says: %s', (text) => {
    expect(parseJson(text, bounds)).toEqual(JSON.parse(text));
  });
  test.each([
    ['[[[[1]]]]', /more than 3 objects and lists inside each other/],
    ['[1,2,3,4,5,6,7,8,9,10,11,12]', /more than 10 members/],
    [`"${'x'.repeat(1000)}"`, /more than 1000 characters/],
    ['"\\\\"[[[[', /inside each other/],
  ])('beyond them it is refused before it is parsed: %s', (text, message) => {
    expect(() => parseJson(text, bounds)).toThrow(message);
  });
  test('what is wrong with it is told without a word of it', () => {
    for (const text of ['{"password":"hunter2",}', 'hunter2', '{"token":"hunter2', '["hunter2"'])
      try {
        parseJson(text, bounds);
        throw new Error('it was parsed');
      } catch (error) {
        expect(error).toBeInstanceOf(JsonRefused);
        expect(String((error as Error).stack)).not.toContain('hunter2');
      }
  });
});

const deep = '['.repeat(4e6);
const deepObjects = '{"a":'.repeat(200_000);
const manyObjects = `[${'{},'.repeat(1_000_000)}{}]`;
const names = `{${Array.from({ length: 300_000 }, (_, at) => `"k${at}":1`).join()}}`;

describe.each([
  ['4 MB of lists in lists', deep],
  ['1 MiB of objects in objects', deepObjects],
  ['a million small objects', manyObjects],
  ['an object with 300,000 names', names],
  ['4 MB of escapes', `"${'\\"'.repeat(2e6)}`],
])('%s', (_what, text) => {
  const annotated = (name: string) => machine({ metadata: { annotations: { [name]: text } } });
  test.each<[string, () => unknown]>([
    ['of a BMC', () => parseObject(text)],
    [
      'in a claim',
      () =>
        claimOf({
          metadata: {
            name: 'h',
            namespace: 'ns',
            uid: 'u',
            resourceVersion: '1',
            annotations: { 'beskar7.io/claim': text },
          },
        }),
    ],
    ['in the record of a server', () => parseServer(text)],
    ['in `handled`', () => handledOf(annotated('beskar7.io/handled'))],
    ['in `plan`', () => plannedSpec(annotated('beskar7.io/plan'))],
  ])('%s is no answer, and takes less than 100 ms', (_where, read) => {
    expect(costMs(() => expect(read()).toBeUndefined())).toBeLessThan(100);
  });
  test('in a signal to a run is unreadable, and takes less than 100 ms', () => {
    const metadata = { encoding: new TextEncoder().encode('json/plain') };
    const payload = { metadata, data: new TextEncoder().encode(text) };
    expect(costMs(() => expect(payloadConverter.fromPayload(payload)).toBeInstanceOf(UnreadablePayload))).toBeLessThan(
      100,
    );
  });
});

test('a document as full as its bounds allow takes less than 100 ms', () => {
  const full = `{${Array.from({ length: JSON_BOUNDS.document.maxMarks - 1 }, (_, at) => `"name-${at}":${at}`).join()}}`;
  parseJson(full, JSON_BOUNDS.document);
  expect(costMs(() => parseJson(full.replaceAll('name', 'other'), JSON_BOUNDS.document))).toBeLessThan(100);
});

test('nothing else of ours parses a text of strangers', () => {
  /** The API server's own answers (it is trusted with everything), and texts that were made here. */
  const known = [
    'untrusted/json.ts',
    'kube/transport.ts',
    'kube/watchStream.ts',
    'kube/error.ts',
    'crds/definition.ts',
    'api/contract/openapi.ts',
    'cli/main.ts',
    'cli/commands/export.ts',
  ];
  const root = path.join(__dirname, '..', '..', '..');
  const rooms = [
    'activities',
    'api',
    'cli',
    'controllers',
    'crds',
    'http',
    'kube',
    'model',
    'redfish',
    'untrusted',
    'view',
  ];
  const found = [...rooms, 'web/server', 'web/shared', 'webhooks', 'workers', 'workflows', 'contracts'].flatMap(
    (room) =>
      readdirSync(path.join(root, room), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => `${room}/${file}`)
        .filter((file) => /JSON\.parse\(|\.json\(\)/.test(readFileSync(path.join(root, file), 'utf8'))),
  );
  expect(found.filter((file) => !known.includes(file))).toEqual([]);
});
