import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { failMachine } from '../../../activities/provision/endRun.ts';
import { settleHandover } from '../../../activities/provision/handOver.ts';
import { claimOf, parseClaim } from '../../../model/claim.ts';
import { handledOf, isAskUnhandled } from '../../../model/handled.ts';
import { ANNOTATION_BLOCK_MOVE, ANNOTATION_CLAIM, ANNOTATION_HANDLED } from '../../../crds/names.ts';
import { HOSTS, MACHINES } from '../../../kube/resource.ts';
import { CLAIM, claimedHost, machine, OURS } from '../controllers/builders.ts';
import { ApiServer, type ApiCall } from './apiServer.ts';
import { asActivity, PLAN, REF, RUN, workerOn } from './worker.ts';

let api: ApiServer;
beforeEach(async () => {
  api = await ApiServer.start();
  api.put(MACHINES, machine({ metadata: { ...OURS, annotations: { [ANNOTATION_BLOCK_MOVE]: 'true' } } }));
});
afterEach(() => api.stop());

/** What a write says, as far as these tests look at it. */
function saidBy({ verb, what, body }: ApiCall): string {
  const { metadata, spec, status } = body as {
    metadata?: { annotations?: Record<string, string> };
    spec?: { providerID?: string };
    status?: { phase?: string };
  };
  const handled = metadata?.annotations?.[ANNOTATION_HANDLED];
  const said = [
    parseClaim(metadata?.annotations?.[ANNOTATION_CLAIM])?.stage,
    handled && `handled ${(JSON.parse(handled) as { outcome: string }).outcome}`,
    spec?.providerID,
    status?.phase,
  ];
  return `${verb} ${what}: ${said.filter(Boolean).join(', ')}`;
}

describe('the last writes of a run: handled first, then status (rule 9)', () => {
  const end = { run: RUN, reason: 'BootFailed' as const, message: 'it did not boot' };

  test.each(['Failed', 'Cancelled'] as const)('a run that ends %s', async (outcome) => {
    await asActivity(() => failMachine(workerOn(api), { ...end, outcome }));
    expect(api.writes.map(saidBy)).toEqual([
      `patch beskar7machines/m: handled ${outcome}`,
      'apply beskar7machines/m/status: Failed',
    ]);
  });

  test('a worker that dies between the two leaves a machine that is not started again', async () => {
    // Its first write is carried out, and never answered.
    const first = new Promise<void>((resolve) => {
      api.answering = ({ verb }) => (verb === 'patch' ? (resolve(), new Promise(() => undefined)) : undefined);
    });
    const lost = asActivity(() => failMachine(workerOn(api), { ...end, outcome: 'Cancelled' })).catch(() => undefined);
    await first;
    const left = api.get(MACHINES, 'm');
    expect(handledOf(left)?.outcome).toBe('Cancelled');
    expect(isAskUnhandled(left)).toBe(false);
    expect(left.status).toBeUndefined();
    await api.stop();
    await lost;
  });

  test('a hand-over: the claim, then handled with the providerID, then Provisioned', async () => {
    const handover = { claim: CLAIM, openedAt: '2026-01-01T00:00:00Z', outcome: 'Provisioned' as const };
    api.put(HOSTS, claimedHost('Armed', { state: 'Ready', handover }));
    const input = { claim: REF, run: RUN, plan: PLAN, startedAt: '2026-01-01T00:00:00Z' };
    expect(await asActivity(() => settleHandover(workerOn(api), input))).toEqual({ kind: 'provisioned' });
    expect(api.writes.map(saidBy)).toEqual([
      'patch physicalhosts/h: HandedOver',
      'patch beskar7machines/m: handled Provisioned, b7://ns/h/m',
      'apply beskar7machines/m/status: Provisioned',
    ]);
    expect(claimOf(api.get(HOSTS, 'h'))?.stage).toBe('HandedOver');
    expect(api.get(MACHINES, 'm').metadata.annotations?.[ANNOTATION_BLOCK_MOVE]).toBeUndefined();
  });
});
