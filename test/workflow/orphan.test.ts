import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { hostChanged } from '../../contracts/messages.ts';
import type { ReleaseInput } from '../../contracts/names.ts';
import { lastedMs } from './ended.ts';
import type { Activities, Fakes, Overrides } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const TEN_MINUTES_MS = 600_000;

async function start(overrides: Overrides = {}): Promise<{ fakes: Fakes; run: Awaited<ReturnType<Stage['start']>> }> {
  const fakes = stage.prepare(overrides);
  const { namespace, name, uid } = fakes.machine;
  const input: ReleaseInput = { namespace, name: `h-${name}`, uid, claim: 'claim-1', orphanAfterMs: TEN_MINUTES_MS };
  return { fakes, run: await stage.start('release', input) };
}

const looks = (fakes: Fakes) => fakes.inputs('lookForConsumer').map(({ isSecondLook }) => isSecondLook);
const held: Activities['lookForConsumer'] = () => Promise.resolve({ kind: 'held', message: 'its machine is there' });

describe('release/<ns>/<host> of a host whose machine is missing (rule 13)', () => {
  test('two looks, ten minutes apart, then the release', async () => {
    const { fakes, run } = await start();
    await expect(run.result()).resolves.toContain('was released');
    expect(looks(fakes)).toEqual([false, true]);
    expect(fakes.names()).toEqual(['lookForConsumer', 'lookForConsumer', 'findReleasing', 'releaseHost']);
    expect(await lastedMs(run)).toBeGreaterThanOrEqual(TEN_MINUTES_MS);
  });

  test('a machine that is there at the first look, or again at the second: nothing is released', async () => {
    const first = await start({ lookForConsumer: held });
    await expect(first.run.result()).resolves.toBe('its machine is there');
    expect(first.fakes.names()).toEqual(['lookForConsumer']);
    const second = await start((well) => ({
      lookForConsumer: (input) => (input.isSecondLook ? held(input) : well.lookForConsumer(input)),
    }));
    await expect(second.run.result()).resolves.toBe('its machine is there');
    expect(second.fakes.names()).toEqual(['lookForConsumer', 'lookForConsumer']);
  });

  test('a host that changes is looked at at once, which does not shorten the wait', async () => {
    const { fakes, run } = await start();
    await fakes.called('lookForConsumer');
    await stage.env.sleep('4 minutes');
    await run.signal(hostChanged, { connectionHash: 'any' });
    await fakes.called('lookForConsumer', 2);
    await run.result();
    expect(looks(fakes)).toEqual([false, false, true]);
    expect(await lastedMs(run)).toBeGreaterThanOrEqual(TEN_MINUTES_MS);
  });

  test('a force-release ends the wait', async () => {
    let isForced = false;
    const { fakes, run } = await start({
      lookForConsumer: () => Promise.resolve({ kind: isForced ? 'releasing' : 'missing' }),
      releaseHost: () => Promise.resolve({ kind: 'forced' }),
    });
    await fakes.called('lookForConsumer');
    isForced = true;
    await run.signal(hostChanged, { connectionHash: 'any' });
    await expect(run.result()).resolves.toContain('was released');
    expect(await lastedMs(run)).toBeLessThan(60_000);
  });
});
