import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { bmcConditions, writeNotReady } from '../../../activities/bmc/notReady.ts';
import { bmcFailure, claimLost, differentServer, retryable } from '../../../activities/failures.ts';
import type { ConditionPatch } from '../../../crds/conditions.ts';
import { freeHost } from '../controllers/builders.ts';
import { OneHost } from './oneHost.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const plain: ConditionPatch = { type: 'PlainHTTP', status: 'True', reason: 'NoTLS', message: 'clear text' };

test.each<[string, unknown, string[]]>([
  ['the BMC', bmcFailure('no answer', 'Unreachable'), ['RedfishReachable Unreachable']],
  ['its Secret', bmcFailure('gone', 'SecretMissing'), ['RedfishReachable SecretMissing']],
  ['the server behind it', differentServer('another', 'DifferentServer'), ['DifferentServer DifferentServer']],
  ['the API server', bmcFailure('refused', 'APIServerRefused'), []],
  ['no worker', bmcFailure('no bmc-worker', 'NoWorker'), []],
  ['a change of the host meanwhile', retryable('changed'), []],
  ['a claim that has ended', claimLost('ended'), []],
])('what is said beside Ready of a failure: %s', (_whose, failure, expected) => {
  const said = bmcConditions(failure, 'in the words of the caller');
  expect(said.map(({ type, reason }) => `${type} ${reason}`)).toEqual(expected);
});

test('one that is found again with each attempt ends when this one does not find it', async () => {
  const one = new OneHost(freeHost('h'));
  const write = (found: ConditionPatch | undefined) =>
    writeNotReady(
      one.deps.kube,
      { namespace: 'ns', host: 'h' },
      { reason: 'Unreachable', message: 'no answer', found: { PlainHTTP: () => found } },
      { isDue: () => true },
    );
  const types = () => one.live?.status?.conditions?.map(({ type }) => type).sort();
  await write(plain);
  expect([one.live?.status?.state, one.live?.status?.ready, types()]).toEqual(['Error', false, ['PlainHTTP', 'Ready']]);
  await write(undefined);
  expect(types()).toEqual(['Ready']);
  await one.close();
});

test('no other place writes that a host is not ready', () => {
  const writers = globSync('{activities,controllers,api}/**/*.ts', { cwd: ROOT }).filter((file) =>
    /state: 'Error'/.test(readFileSync(path.join(ROOT, file), 'utf8')),
  );
  expect(writers).toEqual(['activities/bmc/notReady.ts']);
});
