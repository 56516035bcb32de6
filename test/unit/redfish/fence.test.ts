import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { MutateOptions } from '../../../redfish/index.ts';
import { allow, clientOf, failureOf, fakeBmc, stopAll, until } from './fakeBmc.ts';

afterEach(stopAll);

const RESET = '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset';

describe('the fence of rule 2', () => {
  test('the check runs in the tick that writes the request, also on an idle connection', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    await client.getPowerState();
    const order: string[] = [];
    const write = Socket.prototype.write;
    Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
      if (String(args[0]).startsWith('POST')) order.push('written');
      return write.apply(this, args);
    } as typeof write;
    try {
      await client.setPowerState('On', {
        userAgent: 'beskar7 (c)',
        fence: () =>
          Promise.resolve(() => {
            order.push('check');
            queueMicrotask(() => order.push('next tick'));
          }),
      });
    } finally {
      Socket.prototype.write = write;
    }
    expect(order).toEqual(['check', 'written', 'next tick']);
    expect(bmc.connections).toBe(1);
  });

  test('the fence is asked after the lock and the connection are there, and names its claim', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    let openAtFence = 0;
    await client.setPowerState('On', {
      userAgent: 'beskar7 (0b5c)',
      fence: () => {
        openAtFence = bmc.sockets.size;
        return Promise.resolve(() => undefined);
      },
    });
    expect(openAtFence).toBe(1);
    expect(bmc.sent('POST')[0]?.headers['user-agent']).toBe('beskar7 (0b5c)');
    expect(bmc.sent('GET')[0]?.headers['user-agent']).toBe('beskar7');
  });

  test.each<[string, MutateOptions['fence']]>([
    ['the read', () => Promise.reject(new Error('claim lost'))],
    [
      'the last-instant check',
      () =>
        Promise.resolve(() => {
          throw new Error('claim lost');
        }),
    ],
  ])('refused by %s: nothing is sent, and the client goes on', async (_name, fence) => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc);
    for (const call of [
      () => client.setPowerState('On', { ...allow, fence }),
      () => client.setBootSourcePXE({ ...allow, fence }),
      () => client.reset({ ...allow, fence }),
    ]) {
      const failure = await failureOf(call());
      expect(failure).toMatchObject({
        kind: 'FenceRefused',
        retryable: false,
        mayHaveLanded: false,
        cause: new Error('claim lost'),
      });
      expect(String(failure)).toContain('was not sent: claim lost');
    }
    expect(bmc.changes).toEqual([]);
    await client.setPowerState('On', allow);
    expect(bmc.changes).toHaveLength(1);
    expect(bmc.connections).toBe(1);
  });

  test('each repeat of a changing request passes the fence anew', async () => {
    const bmc = await fakeBmc((it) => it.on('POST', RESET, { status: 503, headers: { 'retry-after': '0' } }, 2));
    let fences = 0;
    let checks = 0;
    await clientOf(bmc).setPowerState('On', {
      ...allow,
      fence: () => {
        fences += 1;
        return Promise.resolve(() => void (checks += 1));
      },
    });
    expect([fences, checks, bmc.sent('POST').length]).toEqual([3, 3, 3]);
  });

  test('a fence that hangs ends at the deadline, and the lock is free again', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc, { callTimeoutMs: 150 });
    const failure = await failureOf(
      client.setPowerState('On', { ...allow, fence: () => new Promise(() => undefined) }),
    );
    expect(failure).toMatchObject({ kind: 'FenceRefused', retryable: true });
    expect(bmc.changes).toEqual([]);
    await expect(client.getPowerState()).resolves.toBe('Off');
  });

  test('a cancelled fence: nothing is sent', async () => {
    const bmc = await fakeBmc();
    const abort = new AbortController();
    const call = clientOf(bmc).setPowerState('On', {
      ...allow,
      signal: abort.signal,
      fence: () => {
        abort.abort(new Error('operator'));
        return new Promise(() => undefined);
      },
    });
    expect(await failureOf(call)).toMatchObject({ kind: 'Aborted' });
    expect(bmc.changes).toEqual([]);
  });

  test('a POST on a connection that the BMC has just closed is not sent a second time', async () => {
    const bmc = await fakeBmc((it) => it.on('POST', RESET, { instead: 'reset' }));
    let checks = 0;
    const failure = await failureOf(
      clientOf(bmc).setPowerState('On', { ...allow, fence: () => Promise.resolve(() => void (checks += 1)) }),
    );
    expect(failure).toMatchObject({ kind: 'Unreachable', retryable: true, mayHaveLanded: true });
    expect(bmc.sent('POST')).toHaveLength(1);
    expect(checks).toBe(1);
    // It was followed by a read.
    expect(bmc.seen.at(-1)?.method).toBe('GET');
  });

  test('a POST that landed although its connection broke is a success', async () => {
    const bmc = await fakeBmc((it) =>
      it.on('POST', RESET, () => {
        it.power = 'On';
        return { instead: 'reset' };
      }),
    );
    await clientOf(bmc).setPowerState('On', allow);
    expect(bmc.sent('POST')).toHaveLength(1);
  });

  test('a connection that died while the fence was read: another one, and another fence', async () => {
    const bmc = await fakeBmc();
    let fences = 0;
    let lastCheck = 0;
    const opened: Socket[] = [];
    const onOpened = (message: unknown): void => void opened.push((message as { socket: Socket }).socket);
    subscribe('net.client.socket', onOpened);
    try {
      await clientOf(bmc).setPowerState('On', {
        ...allow,
        fence: async () => {
          fences += 1;
          if (fences === 1) {
            for (const socket of bmc.sockets) socket.destroy();
            // Until the client has heard of it: that the BMC closed says nothing of that.
            await until(() => opened.length === 1 && opened.every(({ destroyed }) => destroyed));
          }
          return () => void (lastCheck = bmc.connections);
        },
      });
    } finally {
      unsubscribe('net.client.socket', onOpened);
    }
    expect(bmc.sent('POST')).toHaveLength(1);
    expect([fences, lastCheck]).toEqual([2, 2]);
  });

  test('a BMC that closes each connection after its answer without announcing it: switched all the same', async () => {
    const bmc = await fakeBmc((it) => (it.closesSilently = true));
    const client = clientOf(bmc);
    for (const [state, power] of [
      ['On', 'On'],
      ['ForceOff', 'Off'],
      ['On', 'On'],
      ['ForceOff', 'Off'],
    ] as const) {
      await client.setPowerState(state, {
        ...allow,
        fence: () => new Promise((resolve) => setTimeout(() => resolve(() => undefined), 20)),
      });
      expect(bmc.power).toBe(power);
    }
    expect(bmc.sent('POST')).toHaveLength(4);
  });
});

describe('the lock of a BMC', () => {
  test('one request at a time, whichever client sends it', async () => {
    let open = 0;
    let most = 0;
    const bmc = await fakeBmc((it) =>
      it.habits.push(() => {
        open += 1;
        most = Math.max(most, open);
        setImmediate(() => (open -= 1));
        return undefined;
      }),
    );
    const clients = [clientOf(bmc), clientOf(bmc), clientOf(bmc)];
    await Promise.all(clients.flatMap((client) => [client.getPowerState(), client.getSystemInfo()]));
    expect(most).toBe(1);
    expect(bmc.connections).toBe(3);
  });

  test('an urgent Off overtakes queued calls', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const client = clientOf(bmc);
    await client.getPowerState();
    const ended: string[] = [];
    const queued = Array.from({ length: 5 }, () => client.getPowerState().then(() => ended.push('read')));
    const off = client.setPowerState('ForceOff', { ...allow, urgent: true }).then(() => ended.push('off'));
    await Promise.all([...queued, off]);
    expect(ended.indexOf('off')).toBeLessThanOrEqual(1);
  });

  test('waiting is cancelled at once, and bounded in time and number', async () => {
    const bmc = await fakeBmc((it) => it.on('GET', '/redfish/v1/', { instead: 'hang' }));
    // Long enough for all of them to stand in line on a busy machine.
    const client = clientOf(bmc, { callTimeoutMs: 1_000 });
    const first = failureOf(client.getPowerState());
    const abort = new AbortController();
    const cancelled = failureOf(client.getPowerState({ signal: abort.signal }));
    const others = Array.from({ length: 70 }, () => failureOf(client.getPowerState()));
    abort.abort();
    expect(await cancelled).toMatchObject({ kind: 'Aborted' });
    expect(await first).toMatchObject({ kind: 'Timeout' });
    const failures = await Promise.all(others);
    expect(failures.filter((failure) => /64 other calls/.test(String(failure)))).toHaveLength(7);
    expect(failures.every((failure) => /Busy|Timeout/.test((failure as { kind: string }).kind))).toBe(true);
  });
});
