import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { markReleasing } from '../../../activities/release/markReleasing.ts';
import type { Dependencies } from '../../../activities/dependencies.ts';
import { CLAIM_STAGES, claimOf } from '../../../model/claim.ts';
import { ANNOTATION_FORCE_RELEASE } from '../../../crds/names.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { CLAIM, claimedHost, DELETED, machine, OURS } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, REF, workerOn } from './worker.ts';

let api: ApiServer;
let said: string[];
let deps: Dependencies;
beforeEach(async () => {
  api = await ApiServer.start();
  said = [];
  const recorder = { event: (_about: object, _type: string, ...text: string[]) => void said.push(text.join(': ')) };
  api.put(MACHINES, machine({ metadata: { ...OURS, ...DELETED } }));
  deps = workerOn(api, { recorder: recorder as unknown as Dependencies['recorder'] });
});
afterEach(() => api.stop());

const mark = () => asActivity(() => markReleasing(deps, { claim: REF, reason: 'deleted', stages: CLAIM_STAGES }));
const force = () => api.get(HOSTS, 'h').metadata.annotations?.[ANNOTATION_FORCE_RELEASE];
const forced = (text: string) => ({ annotations: { [ANNOTATION_FORCE_RELEASE]: text } });

test('one that was set long before is removed by the write that begins the release, with a word', async () => {
  api.put(HOSTS, claimedHost('HandedOver', { state: 'Ready' }, forced('burnt down, in spring')));
  await mark();
  expect([claimOf(api.get(HOSTS, 'h'))?.stage, force()]).toEqual(['Releasing', undefined]);
  expect(said).toEqual([
    expect.stringMatching(
      /^ForceReleaseRefused: .*"burnt down, in spring".*was removed: .*kubectl annotate physicalhost h/,
    ),
  ]);
});

test('one that names the claim stays, and so does one that was set since', async () => {
  api.put(HOSTS, claimedHost('HandedOver', { state: 'Ready' }, forced(`${CLAIM}: unplugged`)));
  await mark();
  expect(force()).toBe(`${CLAIM}: unplugged`);
  api.put(HOSTS, claimedHost('Releasing', { state: 'Error' }, forced('unplugged')));
  await mark();
  expect([force(), said]).toEqual(['unplugged', []]);
});
