import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  allow,
  clientOf,
  failureOf,
  fakeBmc,
  PASSWORD,
  stopAll,
  SYSTEM,
  until,
  type Answer,
  type FakeBmc,
} from './fakeBmc.ts';

jest.setTimeout(20_000);
afterEach(stopAll);

/** Enough to come to the log-in, also on a busy machine. */
const SHORT = { timeoutMs: 1_500 };

const SESSIONS = '/redfish/v1/SessionService/Sessions';
const REFUSED: Answer = { status: 401 };

/** A BMC that takes sessions only, and answers each log-in when the test says so. */
async function slowToLogIn(): Promise<{ bmc: FakeBmc; open: Set<string>; answer: (answer?: Answer) => void }> {
  const open = new Set<string>();
  let waiting: ((answer: Answer) => void) | undefined;
  let made = 0;
  const bmc = await fakeBmc((it) => {
    it.power = 'On';
    it.habits.push((seen) => {
      if (seen.path === '/redfish/v1/') return undefined;
      const id = String(seen.headers['x-auth-token']).slice(1);
      if (seen.method === 'POST' && seen.path === SESSIONS) {
        made += 1;
        open.add(String(made));
        return { later: new Promise<Answer>((resolve) => (waiting = resolve)) };
      }
      if (!open.has(id)) return { status: 401 };
      return seen.method === 'DELETE' && open.delete(id) ? { status: 204 } : undefined;
    });
  });
  const created = (): Answer => ({
    status: 201,
    headers: { 'x-auth-token': `t${made}`, location: `${SESSIONS}/${made}` },
  });
  return { bmc, open, answer: (answer = created()) => waiting?.(answer) };
}

describe('a log-in whose caller has gone before it was answered', () => {
  test('its time was over: the session is used by the next call, and given back', async () => {
    const { bmc, open, answer } = await slowToLogIn();
    const client = clientOf(bmc);
    const failure = await failureOf(client.getPowerState(SHORT));
    expect(failure).toMatchObject({ kind: 'Timeout', retryable: true, mayHaveLanded: false });
    expect(String(failure)).toMatch(/its time is over, and its log-in is not answered yet/);
    const next = client.getPowerState();
    answer();
    await expect(next).resolves.toBe('On');
    expect(bmc.sent('POST', SESSIONS)).toHaveLength(1);
    await client.close();
    expect([...open]).toEqual([]);
  });

  test('it was cancelled: at once, and the session is given back when the client is closed', async () => {
    const { bmc, open, answer } = await slowToLogIn();
    const client = clientOf(bmc);
    const cancel = new AbortController();
    const failure = failureOf(client.setPowerState('Off', { ...allow, signal: cancel.signal }));
    await until(() => bmc.sent('POST', SESSIONS).length === 1);
    cancel.abort();
    expect(await failure).toMatchObject({ kind: 'Aborted', mayHaveLanded: false });
    const closed = client.close();
    answer();
    await closed;
    expect(bmc.sent('DELETE')).toHaveLength(1);
    expect([...open]).toEqual([]);
    expect(bmc.power).toBe('On');
  });

  test('it is refused: the password is not sent again', async () => {
    const { bmc, answer } = await slowToLogIn();
    const client = clientOf(bmc);
    await failureOf(client.getPowerState(SHORT));
    const next = failureOf(client.getPowerState());
    answer(REFUSED);
    expect(await next).toMatchObject({ kind: 'Unauthorized', retryable: false });
    expect(String(await failureOf(client.setPowerState('Off', allow)))).toMatch(/is not sent again before/);
    expect(bmc.sent('POST', SESSIONS)).toHaveLength(1);
    expect(JSON.stringify(bmc.changes.slice(1))).not.toContain(PASSWORD);
  });

  test('a power-off waits for it, and for no second one', async () => {
    const { bmc, answer } = await slowToLogIn();
    const client = clientOf(bmc);
    await failureOf(client.getPowerState(SHORT));
    const off = client.setPowerState('Off', { ...allow, urgent: true });
    answer();
    await off;
    expect(bmc.power).toBe('Off');
    expect(bmc.sent('POST').map(({ path }) => path)).toEqual([SESSIONS, `${SYSTEM}/Actions/ComputerSystem.Reset`]);
  });

  test('it is never answered: its connection ends with the deadline of a call, and the next call logs in', async () => {
    const { bmc, answer } = await slowToLogIn();
    const client = clientOf(bmc, { callTimeoutMs: 2_000 });
    await failureOf(client.getPowerState(SHORT));
    const first = bmc.sent('POST', SESSIONS)[0]?.socket;
    const next = client.getPowerState({ timeoutMs: 10_000 });
    await until(() => bmc.sent('POST', SESSIONS).length === 2);
    expect(first?.destroyed).toBe(true);
    answer();
    await expect(next).resolves.toBe('On');
  });
});
