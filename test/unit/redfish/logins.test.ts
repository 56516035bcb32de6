import { afterEach, describe, expect, test } from '@jest/globals';
import { lockedForMs } from '../../../redfish/loginMessage.ts';
import { RedfishPool, type RedfishConnectionOptions } from '../../../redfish/index.ts';
import {
  allow,
  clientOf,
  extendedError,
  failureOf,
  fakeBmc,
  PASSWORD,
  stopAll,
  SYSTEM,
  USER,
  type Answer,
  type FakeBmc,
  type Seen,
} from './fakeBmc.ts';

afterEach(stopAll);

const SESSIONS = '/redfish/v1/SessionService/Sessions';
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;
const OFFERS_BASIC = { 'www-authenticate': 'Basic realm="BMC", charset="UTF-8"' };

/** Whether a request carries credentials, a token, or is a log-in. */
const isLogin = (seen: Seen): boolean => seen.headers.authorization !== undefined || seen.path.startsWith(SESSIONS);
const logins = (bmc: FakeBmc): Seen[] => bmc.seen.filter((one) => isLogin(one) && one.path !== '/redfish/v1/');

/** Refuses every password, as `answer` says. */
function refusing(answer: Answer) {
  return (bmc: FakeBmc): void => {
    bmc.habits.push((seen) => (seen.path === '/redfish/v1/' ? undefined : answer));
  };
}

/** Sessions only: tokens are `t1`, `t2` …; `valid` are good. Further habits go before it. */
function sessions(
  bmc: FakeBmc,
  created: (n: number) => Answer = () => ({}),
): { valid: Set<string>; made: () => number } {
  const valid = new Set<string>();
  let made = 0;
  bmc.habits.push((seen) => {
    const token = String(seen.headers['x-auth-token']);
    if (seen.method === 'POST' && seen.path.replace(/\/$/, '') === SESSIONS) {
      made += 1;
      valid.add(`t${made}`);
      const { headers, ...rest } = created(made);
      return {
        status: 201,
        ...rest,
        headers: { 'x-auth-token': `t${made}`, location: `${SESSIONS}/${made}`, ...headers },
      };
    }
    if (seen.path !== '/redfish/v1/' && !valid.has(token)) return { status: 401 };
    if (seen.method === 'DELETE' && seen.path.startsWith(SESSIONS)) {
      valid.delete(`t${seen.path.split('/').at(-1)}`);
      return { status: 204 };
    }
    return undefined;
  });
  return { valid, made: () => made };
}

describe('a password that is refused', () => {
  test('where Basic is offered: one log-in, whoever asks, also with another client, until its Secret changes', async () => {
    const bmc = await fakeBmc(refusing({ status: 401, headers: OFFERS_BASIC }));
    const options: RedfishConnectionOptions = {
      address: bmc.address,
      username: USER,
      password: PASSWORD,
      credentialsVersion: '1',
    };
    const pool = new RedfishPool();
    const first = await failureOf(pool.get(options).getPowerState());
    expect(first).toMatchObject({ kind: 'Unauthorized', status: 401, retryable: false });
    expect(String(first)).toMatch(
      /refuses the user "operator" \(401\).*not sent again before 20\d\d-[^ ]*Z, unless the Secret changes\. Where the BMC takes sessions only, set redfishConnection\.authentication: Session/,
    );
    for (let i = 0; i < 3; i += 1) {
      await pool.closeAll();
      expect(await failureOf(pool.get({ ...options, systemID: String(i) }).setPowerState('Off', allow))).toBe(first);
    }
    expect(logins(bmc)).toHaveLength(1);
    expect(bmc.sent('POST')).toEqual([]);
    await failureOf(pool.get({ ...options, credentialsVersion: '2' }).getPowerState());
    expect(logins(bmc)).toHaveLength(2);
    await failureOf(pool.get({ ...options, credentialsVersion: '2', password: 'another' }).getPowerState());
    expect(logins(bmc)).toHaveLength(3);
    await pool.closeAll();
  });

  test.each(['as it should be', 'chunked, and cut before its end'])(
    'where Basic is not offered, %s: two log-ins',
    async (how) => {
      const bmc = await fakeBmc((it) =>
        it.habits.push((seen) => {
          if (seen.path === '/redfish/v1/') return undefined;
          if (how === 'as it should be') return { status: 401 };
          seen.socket?.end('HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{"err');
          return { instead: 'hang' };
        }),
      );
      const client = clientOf(bmc);
      for (let i = 0; i < 3; i += 1) {
        expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Unauthorized' });
      }
      expect(logins(bmc)).toHaveLength(2);
    },
  );

  test('a BMC that breaks the connection in place of a 401: twice, not until the deadline', async () => {
    const bmc = await fakeBmc(refusing({ instead: 'reset' }));
    expect(await failureOf(clientOf(bmc, { callTimeoutMs: 60_000 }).getPowerState())).toMatchObject({
      kind: 'Unreachable',
    });
    expect(logins(bmc).length).toBeLessThanOrEqual(2);
  });

  test('of a service without sessions: its own words', async () => {
    const bmc = await fakeBmc((it) => {
      it.habits.push((seen) =>
        seen.method === 'GET' && seen.path !== '/redfish/v1/'
          ? { status: 401, body: extendedError('Base.1.8.ResourceAtUriUnauthorized', 'bad password') }
          : undefined,
      );
    });
    expect(String(await failureOf(clientOf(bmc).getPowerState()))).toContain('(401), saying "bad password"');
  });

  test('of a locked account: it is left alone for its time, for any password', async () => {
    const locked = extendedError('X.1.0.AccountLocked', 'The account is locked for 20 minutes.');
    const bmc = await fakeBmc(refusing({ status: 401, headers: OFFERS_BASIC, body: locked }));
    const failure = String(await failureOf(clientOf(bmc).getPowerState()));
    expect(failure).toMatch(/the account "operator" of the BMC .* is locked \(401\), saying .*left alone until/);
    const until = Date.parse(/until (\S+Z)/.exec(failure)?.[1] ?? '');
    expect((until - Date.now()) / 60_000).toBeGreaterThan(19);
    const other = clientOf(bmc, { password: 'another', credentialsVersion: '2' });
    expect(String(await failureOf(other.getPowerState()))).toBe(failure);
    expect(logins(bmc)).toHaveLength(1);
  });
});

test.each<[string, string, string | undefined, number | undefined]>([
  ['X.1.0.AccountLocked', 'no', undefined, 600_000],
  ['iLO.2.14.LoginAttemptDelayed', 'delayed', '30', 30_000],
  ['a', 'The user account is locked for 5 minutes.', undefined, 300_000],
  ['a', 'Too many failed login attempts. Try again in 90 seconds', undefined, 90_000],
  ['a', 'Account locked out', '999999', 3_600_000],
  ['a', 'The user name or password is wrong, or the account is locked.', undefined, undefined],
  ['a', 'Login failed. The account may be locked.', undefined, undefined],
  ['a', 'Check that the account is not locked', '5', undefined],
  ['Base.1.8.NoValidSession', 'The resource is locked', undefined, undefined],
])('%s, "%s", Retry-After %s: locked for %s ms', (id, text, retryAfter, ms) => {
  expect(lockedForMs({ text, messageIds: [id], mentions: text }, retryAfter)).toBe(ms);
});

describe('a 401 after a log-in that succeeded', () => {
  test('three in a row: the power-off is sent, seconds later', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    const client = clientOf(bmc);
    await client.getPowerState();
    let left = 3;
    bmc.habits.unshift(() => (left-- > 0 ? { status: 401, headers: OFFERS_BASIC } : undefined));
    let fences = 0;
    await client.setPowerState('ForceOff', { ...allow, fence: () => Promise.resolve(() => void (fences += 1)) });
    expect(bmc.power).toBe('Off');
    expect(fences).toBe(1);
  }, 15_000);

  test('three in a row, by a process that was started a moment ago: its Secret is recorded as accepted', async () => {
    const bmc = await fakeBmc((it) => (it.power = 'On'));
    let left = 3;
    bmc.habits.unshift(({ path }) =>
      path !== '/redfish/v1/' && left-- > 0 ? { status: 401, headers: OFFERS_BASIC } : undefined,
    );
    const client = clientOf(bmc, { credentialsVersion: 'u/7', acceptedVersion: 'u/7' });
    await client.setPowerState('ForceOff', allow);
    expect(bmc.power).toBe('Off');
    expect(client.acceptedVersion).toBe('u/7');
  }, 15_000);

  test.each<[string, RedfishConnectionOptions['acceptedVersion'], number]>([
    ['the present one', '7', 30],
    ['an earlier one', '6', 3_600],
    ['none', undefined, 3_600],
  ])(
    'of a Secret whose accepted state is %s',
    async (_which, acceptedVersion, seconds) => {
      const bmc = await fakeBmc(refusing({ status: 401, headers: OFFERS_BASIC }));
      const client = clientOf(bmc, { credentialsVersion: '7', ...(acceptedVersion && { acceptedVersion }) });
      const failure = await failureOf(client.getPowerState());
      const heldS = (Date.parse(/before (\S+Z)/.exec(String(failure))?.[1] ?? '') - Date.now()) / 1_000;
      expect(heldS).toBeGreaterThan(seconds - 10);
      expect(heldS).toBeLessThanOrEqual(seconds);
      const sent = logins(bmc).length;
      expect(sent).toBe(seconds < 3_600 ? 4 : 1);
      await failureOf(client.getPowerState());
      expect(logins(bmc)).toHaveLength(sent);
      expect(client.acceptedVersion).toBeUndefined();
    },
    15_000,
  );

  test('three in a row to the power-off itself: each repeat passes its fence', async () => {
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.on('POST', RESET, { status: 401, headers: OFFERS_BASIC }, 3);
    });
    let fences = 0;
    await clientOf(bmc).setPowerState('ForceOff', {
      ...allow,
      fence: () => Promise.resolve(() => void (fences += 1)),
    });
    expect([bmc.power, fences]).toEqual(['Off', 4]);
  }, 20_000);

  test('of one resource for good: it is that resource, and nothing else waits', async () => {
    const NICS = '/redfish/v1/nics';
    const bmc = await fakeBmc((it) => {
      it.power = 'On';
      it.extra = { EthernetInterfaces: { '@odata.id': NICS } };
      it.on('GET', NICS, { status: 401, headers: OFFERS_BASIC, body: extendedError('A.1.NotLicensed', 'no license') });
    });
    const client = clientOf(bmc, { callTimeoutMs: 20_000 });
    await client.getPowerState();
    await failureOf(client.getNetworkAddresses());
    const startedMs = performance.now();
    await failureOf(client.getNetworkAddresses());
    await client.setPowerState('ForceOff', allow);
    expect(bmc.power).toBe('Off');
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(bmc.sent('POST').map(({ path }) => path)).toEqual([RESET]);
  }, 30_000);

  test('to everything, since the password was changed at the BMC: four log-ins, then none', async () => {
    const bmc = await fakeBmc();
    const client = clientOf(bmc, { callTimeoutMs: 20_000 });
    await client.getPowerState();
    bmc.habits.unshift(() => ({ status: 401, headers: OFFERS_BASIC }));
    const before = bmc.seen.length;
    expect(await failureOf(client.getPowerState())).toMatchObject({ kind: 'Unauthorized', retryable: false });
    expect(await failureOf(client.setPowerState('On', allow))).toMatchObject({ kind: 'Unauthorized' });
    expect(bmc.seen.length - before).toBe(4);
  }, 30_000);
});

describe('sessions', () => {
  test('at another host name (NAT): by their path, logged out, and nothing goes elsewhere', async () => {
    const elsewhere = await fakeBmc();
    const bmc = await fakeBmc(
      (it) => void sessions(it, (n) => ({ headers: { location: `${elsewhere.address}${SESSIONS}/${n}` } })),
    );
    const client = clientOf(bmc);
    await client.getPowerState();
    await client.close();
    expect(bmc.sent('DELETE').map(({ path }) => path)).toEqual([`${SESSIONS}/1`]);
    expect(elsewhere.seen).toEqual([]);
  });

  test.each([307, 308])('%i of the log-in to its own slash is followed with method and body', async (status) => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', SESSIONS, { status, headers: { location: `https://bmc-internal.example${SESSIONS}/` } });
      sessions(it);
    });
    await expect(clientOf(bmc).getPowerState()).resolves.toBe('Off');
    expect(bmc.sent('POST').map(({ path, body }) => [path, body])).toEqual(
      [SESSIONS, `${SESSIONS}/`].map((path) => [path, { UserName: USER, Password: PASSWORD }]),
    );
  });

  test('redirected from http to https: the password is not sent there, and the address is named', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', SESSIONS, { status: 308, headers: { location: `https://127.0.0.1:1${SESSIONS}` } });
      sessions(it);
    });
    expect(String(await failureOf(clientOf(bmc).getPowerState()))).toContain('put it into redfishConnection.address');
    expect(bmc.sent('POST')).toHaveLength(1);
  });

  test('403 to Basic leads to a session', async () => {
    const bmc = await fakeBmc((it) => {
      it.habits.push((seen) =>
        seen.headers.authorization !== undefined && seen.path !== '/redfish/v1/' ? { status: 403 } : undefined,
      );
      sessions(it);
    });
    await expect(clientOf(bmc).getPowerState()).resolves.toBe('Off');
    expect(bmc.sent('POST')).toHaveLength(1);
  });

  test.each<[string, Answer]>([
    ['400 SessionLimitExceeded', { status: 400, body: extendedError('Base.1.12.SessionLimitExceeded', 'too many') }],
    [
      '503 RAC0218',
      { status: 503, body: extendedError('IDRAC.2.8.RAC0218', 'The maximum number of user sessions is reached.') },
    ],
    [
      '400 CreateLimitReachedForResource',
      { status: 400, body: extendedError('Base.1.8.CreateLimitReachedForResource', 'limit') },
    ],
  ])('no free session (%s): busy, and tried again with the same password', async (_name, answer) => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', SESSIONS, answer, 1);
      sessions(it);
    });
    const client = clientOf(bmc);
    await expect(client.getPowerState()).resolves.toBe('Off');
    bmc.habits.unshift((seen) => (seen.method === 'POST' ? answer : undefined));
    const other = clientOf(bmc, { password: 'other', callTimeoutMs: 2_000 });
    const failure = await failureOf(other.getPowerState());
    expect(failure).toMatchObject({ kind: 'Busy', retryable: true });
    expect(String(failure)).not.toContain('password');
  });

  test('without a token: deleted, and said', async () => {
    const bmc = await fakeBmc((it) => {
      it.on('POST', SESSIONS, { status: 201, headers: { location: `${SESSIONS}/9` } });
      it.on('DELETE', `${SESSIONS}/9`, { status: 204 });
      sessions(it);
    });
    expect(String(await failureOf(clientOf(bmc).getPowerState()))).toContain('gave no X-Auth-Token');
    expect(bmc.sent('DELETE').map(({ path }) => path)).toEqual([`${SESSIONS}/9`]);
  });

  test('an expired token is answered 401, chunked and cut: a new session, once', async () => {
    let state: ReturnType<typeof sessions> | undefined;
    const bmc = await fakeBmc((it) => (state = sessions(it)));
    const client = clientOf(bmc);
    await client.getPowerState();
    state?.valid.clear();
    bmc.habits.unshift((seen) => {
      if (seen.headers['x-auth-token'] !== 't1') return undefined;
      seen.socket?.end('HTTP/1.1 401 Unauthorized\r\ntransfer-encoding: chunked\r\n\r\n50\r\n{"error"');
      return { instead: 'hang' };
    });
    await expect(client.getPowerState()).resolves.toBe('Off');
    expect(state?.made()).toBe(2);
  });

  test('a 401 of one resource: the session that lives is not forgotten, one new one at most', async () => {
    let state: ReturnType<typeof sessions> | undefined;
    const NICS = '/redfish/v1/nics';
    const bmc = await fakeBmc((it) => {
      it.extra = { EthernetInterfaces: { '@odata.id': NICS } };
      it.on('GET', NICS, { status: 401 });
      state = sessions(it);
    });
    const client = clientOf(bmc, { callTimeoutMs: 20_000 });
    await client.getPowerState();
    await failureOf(client.getNetworkAddresses());
    await client.setPowerState('On', allow);
    expect(state?.valid.size).toBe(1);
    await client.close();
    expect([state?.made(), state?.valid.size]).toEqual([2, 0]);
  }, 20_000);

  test.each([
    ['Session', { sessions: true }, { basic: 0, posts: 1 }],
    ['PreferSession', { sessions: true }, { basic: 0, posts: 1 }],
    ['PreferSession', { sessions: false }, { basic: 1, posts: 1 }],
    ['Basic', { sessions: false }, { basic: 1, posts: 0 }],
    ['Auto', { sessions: true }, { basic: 1, posts: 0 }],
  ] as const)('authentication %s, a BMC with both or Basic only (%j)', async (authentication, has, wanted) => {
    const bmc = await fakeBmc((it) => {
      if (has.sessions)
        it.on('POST', SESSIONS, { status: 201, headers: { 'x-auth-token': 't', location: `${SESSIONS}/1` } });
    });
    const client = clientOf(bmc, { authentication });
    await client.getPowerState();
    await client.close();
    expect(bmc.sent('POST')).toHaveLength(wanted.posts);
    expect(bmc.sent('GET', SYSTEM).map(({ headers }) => headers.authorization !== undefined)).toEqual([
      wanted.basic === 1,
    ]);
  });

  test('authentication Basic never opens a session', async () => {
    const bmc = await fakeBmc((it) => void sessions(it));
    expect(await failureOf(clientOf(bmc, { authentication: 'Basic' }).getPowerState())).toMatchObject({
      kind: 'Unauthorized',
    });
    expect(bmc.sent('POST')).toEqual([]);
  });
});

test.each([
  ['to a request', (it: FakeBmc, answer: Answer) => it.on('GET', SYSTEM, answer)],
  [
    'to the log-in',
    (it: FakeBmc, answer: Answer) => {
      it.on('POST', SESSIONS, answer);
      sessions(it);
    },
  ],
])('PasswordChangeRequired %s is a reason of its own, and says what to do', async (_name, habit) => {
  const body = extendedError('Base.1.18.PasswordChangeRequired', 'The password must be changed.');
  const bmc = await fakeBmc((it) => habit(it, { status: 403, body }));
  const failure = await failureOf(clientOf(bmc).getPowerState());
  expect(failure).toMatchObject({ kind: 'PasswordChangeRequired', status: 403, retryable: false });
  expect(String(failure)).toContain('set a new one at the BMC and put it into the credentials Secret');
});
