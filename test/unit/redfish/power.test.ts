import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { allow, clientOf, extendedError, failureOf, fakeBmc, stopAll, type FakeBmc } from './fakeBmc.ts';

afterEach(stopAll);

const SYSTEM = '/redfish/v1/Systems/1';
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;
const types = (bmc: { sent(method: string, path: string): { body: unknown }[] }): unknown[] =>
  bmc.sent('POST', RESET).map((one) => (one.body as { ResetType: string }).ResetType);

describe('reset types', () => {
  test.each([
    ['AllowableValues with On', ['ForceOn', 'On'], 'On'],
    ['AllowableValues without On', ['ForceOn', 'ForceOff'], 'ForceOn'],
    ['nothing listed: all are assumed', undefined, 'On'],
    ['an empty list: all are assumed', [], 'On'],
    ['a list of another type: all are assumed', { On: 1 }, 'On'],
  ])('%s', async (_name, listed, sent) => {
    const bmc = await fakeBmc((it) => (it.resetTypes = listed));
    await clientOf(bmc).setPowerState('On', allow);
    expect(types(bmc)).toEqual([sent]);
    // Never on an action: iDRAC answers 412.
    expect(bmc.sent('POST')[0]?.headers['if-match']).toBeUndefined();
  });

  test('from ActionInfo, read once', async () => {
    const bmc = await fakeBmc((it) => {
      it.resetTypes = undefined;
      it.actionExtra = { '@Redfish.ActionInfo': '/redfish/v1/Systems/1/ResetActionInfo/' };
      it.resources.set('/redfish/v1/Systems/1/ResetActionInfo/', {
        Parameters: [null, { Name: 'ResetType', AllowableValues: ['ForceOn', 'ForceOff'] }],
      });
    });
    const client = clientOf(bmc);
    await client.setPowerState('On', allow);
    await client.setPowerState('ForceOff', allow);
    expect(types(bmc)).toEqual(['ForceOn', 'ForceOff']);
    expect(bmc.sent('GET', '/redfish/v1/Systems/1/ResetActionInfo/')).toHaveLength(1);
  });

  test('an ActionInfo that is not there: all are assumed', async () => {
    const bmc = await fakeBmc((it) => {
      it.resetTypes = undefined;
      it.actionExtra = { '@Redfish.ActionInfo': { '@odata.id': '/nowhere' } };
    });
    await clientOf(bmc).setPowerState('On', allow);
    expect(types(bmc)).toEqual(['On']);
  });

  test('what is not listed is not sent, and the error lists what is', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.resetTypes = ['On', 'ForceOff'];
    });
    const failure = await failureOf(clientOf(bmc).setPowerState('GracefulShutdown', allow));
    expect(failure).toMatchObject({ kind: 'Refused', retryable: false });
    expect(String(failure)).toContain('offers no GracefulShutdown, only On, ForceOff');
    expect(bmc.changes).toEqual([]);
  });

  test('no target: the standard one', async () => {
    const bmc = await fakeBmc((it) => (it.actionExtra = { target: null }));
    await clientOf(bmc).setPowerState('On', allow);
    expect(types(bmc)).toEqual(['On']);
  });
});

describe('setPowerState', () => {
  test.each([
    ['On', 'On', []],
    ['On', 'PoweringOn', []],
    ['On', null, ['On']],
    ['ForceOff', 'Off', []],
    ['ForceOff', 'PoweringOff', ['ForceOff']],
    ['GracefulShutdown', 'PoweringOff', []],
    ['Off', 'On', ['ForceOff']],
    ['Off', 'off', []],
  ] as const)('%s of a server that is %s sends %j', async (asked, power, sent) => {
    const bmc = await fakeBmc((it) => (it.power = power));
    await clientOf(bmc).setPowerState(asked, allow);
    expect(types(bmc)).toEqual(sent);
  });

  test('a state that is shown is asked for all the same where the caller says so', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'Off'));
    await clientOf(bmc).setPowerState('Off', { ...allow, isSentAnyway: true });
    expect(types(bmc)).toEqual(['ForceOff']);
  });

  test('and a BMC that says "not in this state" to that (iLO) means it: it is asked once', async () => {
    const id = 'iLO.2.14.InvalidOperationForSystemState';
    const bmc = await fakeBmc((it) => {
      it.power = 'Off';
      it.on('POST', RESET, { status: 400, body: extendedError(id, 'it is off'), headers: { 'retry-after': '0' } });
    });
    const failure = await failureOf(clientOf(bmc).setPowerState('Off', { ...allow, isSentAnyway: true }));
    expect(failure).toMatchObject({ kind: 'Refused', status: 400, messageIds: [id] });
    expect(types(bmc)).toEqual(['ForceOff']);
  });

  test('Off takes GracefulShutdown where nothing else is offered', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.resetTypes = ['GracefulShutdown'];
    });
    await clientOf(bmc).setPowerState('Off', allow);
    expect(types(bmc)).toEqual(['GracefulShutdown']);
  });

  test('a 503 is followed by a read, and no second On when that shows it on', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('POST', RESET, () => {
        it.power = 'On';
        return { status: 503, headers: { 'retry-after': '0' } };
      }),
    );
    await clientOf(bmc).setPowerState('On', allow);
    expect(types(bmc)).toEqual(['On']);
  });

  test('a 504 may have landed: it is read, not repeated', async () => {
    const bmc = await fakeBmc((it) => it.on('POST', RESET, { status: 504 }));
    const failure = await failureOf(clientOf(bmc).setPowerState('On', allow));
    expect(failure).toMatchObject({ kind: 'Busy', status: 504, retryable: true, mayHaveLanded: true });
    expect(types(bmc)).toEqual(['On']);
    expect(bmc.seen.at(-1)?.method).toBe('GET');
  });

  test('303 says that it was accepted, and where to look', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('POST', `${SYSTEM}/Actions/ComputerSystem.Reset`, (seen) => {
        it.builtIn(seen);
        return { status: 303, headers: { location: SYSTEM } };
      }),
    );
    await clientOf(bmc).setPowerState('On', allow);
    expect([bmc.power, bmc.sent('POST').length]).toEqual(['On', 1]);
  });

  test("iLO's 400 soon after a change is retried by its MessageId", async () => {
    const id = 'iLO.2.14.UnableToModifyDuringSystemPOST';
    const bmc = await fakeBmc((it) =>
      it.on('POST', RESET, { status: 400, body: extendedError(id, 'not now'), headers: { 'retry-after': '0' } }, 1),
    );
    await clientOf(bmc).setPowerState('On', allow);
    expect(types(bmc)).toEqual(['On', 'On']);
  });

  test('a refusal carries the text, status and MessageIds of the BMC', async () => {
    const body = extendedError('Acme.1.0.NoLicense', 'A license is required.');
    const bmc = await fakeBmc((it) => it.on('POST', RESET, { status: 400, body }));
    const failure = await failureOf(clientOf(bmc).setPowerState('On', allow));
    expect(failure).toMatchObject({
      kind: 'Refused',
      status: 400,
      retryable: false,
      messageIds: ['Acme.1.0.NoLicense'],
    });
    expect(String(failure)).toContain(
      `POST ${RESET} at ${bmc.address.slice(7)} was refused with 400: "A license is required."`,
    );
  });
});

describe('tasks', () => {
  const TASK = '/redfish/v1/TaskService/Tasks/7';
  const accepted = { status: 202, headers: { location: TASK, 'retry-after': '0' } };

  test('a 202 is followed to its end, with Retry-After as seconds or a date', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', RESET, accepted);
      it.on('GET', TASK, { status: 202, headers: { 'retry-after': new Date(0).toUTCString() } }, 1);
      it.on('GET', TASK, { body: { TaskState: 'Running' }, headers: { 'retry-after': '0' } }, 1);
      it.on('GET', TASK, { body: { TaskState: 'Completed', TaskStatus: 'OK' } });
    });
    await clientOf(bmc).setPowerState('On', allow);
    expect(bmc.sent('GET', TASK)).toHaveLength(3);
  });

  test('a Dell job is 404 for some seconds; a task that was seen and is gone has ended', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', RESET, accepted);
      it.on('GET', TASK, { status: 404, headers: { 'retry-after': '0' } }, 2);
      it.on('GET', TASK, { body: { JobState: 'Running' }, headers: { 'retry-after': '0' } }, 1);
    });
    await clientOf(bmc).setPowerState('On', allow);
    expect(bmc.sent('GET', TASK)).toHaveLength(4);
  });

  test.each([
    [0, false],
    [11_000, true],
  ])(
    'a caller that goes after %i ms of a task leaves it under way: it may still land: %s',
    async (ranMs, mayHaveLanded) => {
      const abort = new AbortController();
      const { now } = performance;
      let isLate = false;
      jest.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + (isLate ? ranMs : 0));
      const bmc = await fakeBmc((it) => {
        it.on('POST', RESET, accepted);
        it.on('GET', TASK, () => {
          isLate = true;
          setImmediate(() => abort.abort(new Error('operator')));
          return { body: { TaskState: 'Running' }, headers: { 'retry-after': '5' } };
        });
      });
      const failure = await failureOf(clientOf(bmc).setPowerState('On', { ...allow, signal: abort.signal }));
      jest.restoreAllMocks();
      expect(failure).toMatchObject({ kind: 'Aborted', mayHaveLanded });
    },
  );

  test('a task in the body of the 202', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', RESET, { status: 202, headers: { 'retry-after': '0' }, body: { '@odata.id': TASK } });
      it.resources.set(TASK, { TaskState: 'Completed' });
    });
    await clientOf(bmc).setPowerState('On', allow);
    expect(bmc.sent('GET', TASK)).toHaveLength(1);
  });

  test('a task that fails is the refusal, with its messages', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', RESET, accepted);
      it.resources.set(TASK, {
        TaskState: 'Exception',
        Messages: [{ Message: 'Host is locked', MessageId: 'A.1.Locked' }],
      });
    });
    const failure = await failureOf(clientOf(bmc).setPowerState('On', allow));
    expect(failure).toMatchObject({ kind: 'Refused', messageIds: ['A.1.Locked'] });
    expect(String(failure)).toContain('power On was accepted, but its task ended Exception: "Host is locked"');
  });

  test('a task that cannot be looked at does not fail what was accepted', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', RESET, accepted);
      it.on('GET', TASK, { status: 503, headers: { 'retry-after': '30' } });
    });
    await clientOf(bmc).setPowerState('On', allow);
  });

  test('a task at another host name is followed by its path, and nothing is sent elsewhere', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', RESET, { status: 202, headers: { location: `https://bmc-internal.example${TASK}?a=b` } });
      it.on('GET', `${TASK}?a=b`, { body: { TaskState: 'Completed' } });
    });
    await clientOf(bmc).setPowerState('On', allow);
    expect(bmc.sent('GET', `${TASK}?a=b`)).toHaveLength(1);
  });
});

describe('waitForPowerState', () => {
  test('true when seen, looking past failures', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('GET', SYSTEM, () => ({ status: 500 }), 2);
      it.on('GET', SYSTEM, () => void (it.power = 'On'), 1);
    });
    const polls: unknown[] = [];
    const wait = clientOf(bmc).waitForPowerState('On', { timeoutMs: 3_000, onPoll: (seen) => polls.push(seen) });
    await expect(wait).resolves.toBe(true);
    expect(polls).toEqual([undefined, 'On']);
  });

  test('false at the deadline', async () => {
    const bmc = await fakeBmc();
    await expect(clientOf(bmc).waitForPowerState('On', { timeoutMs: 60 })).resolves.toBe(false);
    expect(bmc.connections).toBe(1);
  });

  test('throws when no look succeeded, and at once when the credentials are refused', async () => {
    const away = await fakeBmc((it) => it.on('GET', SYSTEM, { status: 500 }));
    expect(await failureOf(clientOf(away).waitForPowerState('On', { timeoutMs: 1_000 }))).toMatchObject({
      status: 500,
    });
    const closed = await fakeBmc((it) => it.habits.push(() => ({ status: 403 })));
    expect(await failureOf(clientOf(closed).waitForPowerState('On', { timeoutMs: 5_000 }))).toMatchObject({
      kind: 'Unauthorized',
    });
  });

  test('a cancel ends it at once', async () => {
    const bmc = await fakeBmc();
    const abort = new AbortController();
    const wait = clientOf(bmc).waitForPowerState('On', {
      timeoutMs: 60_000,
      signal: abort.signal,
      onPoll: () => abort.abort(),
    });
    expect(await failureOf(wait)).toMatchObject({ kind: 'Aborted' });
  });
});

describe('reset', () => {
  test.each([
    ['On', ['ForceRestart', 'PowerCycle'], ['ForceRestart']],
    ['On', ['On', 'ForceOff', 'PowerCycle'], ['PowerCycle']],
    ['On', ['On', 'ForceOff'], ['ForceOff', 'On']],
    ['On', undefined, ['ForceRestart']],
    ['Off', ['On', 'ForceRestart'], ['On']],
  ])('a server that is %s, with %j', async (power, listed, sent) => {
    const bmc = await fakeBmc((it) => {
      it.power = power;
      it.resetTypes = listed;
    });
    await clientOf(bmc).reset(allow);
    expect(types(bmc)).toEqual(sent);
  });
});

describe('a kind that is listed and refused', () => {
  const refuses = (...types: string[]) =>
    fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', `${SYSTEM}/Actions/ComputerSystem.Reset`, ({ body }) =>
        types.includes((body as { ResetType: string }).ResetType)
          ? { status: 400, body: extendedError('Base.1.8.ActionParameterNotSupported', 'not this one') }
          : undefined,
      );
    });
  const sent = (bmc: FakeBmc) => bmc.sent('POST').map(({ body }) => (body as { ResetType: string }).ResetType);

  test('ForceOff: GracefulShutdown is tried', async () => {
    const bmc = await refuses('ForceOff');
    await clientOf(bmc).setPowerState('Off', allow);
    expect(sent(bmc)).toEqual(['ForceOff', 'GracefulShutdown']);
    expect(bmc.power).toBe('Off');
  });

  test('all: the words of the first', async () => {
    const bmc = await refuses('ForceOff', 'GracefulShutdown');
    expect(String(await failureOf(clientOf(bmc).setPowerState('Off', allow)))).toContain('not this one');
    expect(sent(bmc)).toEqual(['ForceOff', 'GracefulShutdown']);
  });

  test('a server that shows off is sent no other kind', async () => {
    const bmc = await refuses('ForceOff');
    bmc.power = 'Off';
    await failureOf(clientOf(bmc).setPowerState('Off', { ...allow, isSentAnyway: true }));
    expect(sent(bmc)).toEqual(['ForceOff']);
  });
});
