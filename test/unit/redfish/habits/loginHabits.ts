import {
  PASSWORD,
  refusesAll,
  SESSIONS,
  USER,
  error,
  strip,
  type Ask,
  type Habit,
  type RawBmc,
  type Say,
} from './rawBmc.ts';
import { SYSTEM } from './model.ts';

const isLogin = ({ method, path }: Ask): boolean => method === 'POST' && strip(path) === SESSIONS;
const onLogin =
  (answer: (ask: Ask, bmc: RawBmc) => Say | 'reset' | undefined): NonNullable<Habit['answer']> =>
  (ask, bmc) =>
    isLogin(ask) ? answer(ask, bmc) : undefined;
/** Refuses Basic, so that a session has to be opened; and then what `and` says. */
const sessionsOnly =
  (status: 401 | 403, and: NonNullable<Habit['answer']> = () => undefined): NonNullable<Habit['answer']> =>
  (ask, bmc) =>
    ask.headers['authorization'] === undefined
      ? and(ask, bmc)
      : error(status, 'Base.1.8.NoValidSession', 'sessions only');
const isGood = ({ body }: Ask): boolean => body['UserName'] === USER && body['Password'] === PASSWORD;
const withLocation = (said: Say, location: string | undefined): Say => ({
  ...said,
  headers: [
    ...(said.headers ?? []).filter(([name]) => name !== 'Location'),
    ...(location === undefined ? [] : [['Location', location] as const]),
  ],
});
const opened = (location: (path: string) => string | undefined): NonNullable<Habit['answer']> =>
  onLogin((ask, bmc) => {
    if (!isGood(ask)) return undefined;
    const said = bmc.openSession();
    return withLocation(said, location(said.headers?.find(([name]) => name === 'Location')?.[1] ?? ''));
  });

/** How a client becomes known. */
export const LOGIN_HABITS: readonly Habit[] = [
  { name: 'basic-401', of: 'Basic is off', answer: sessionsOnly(401) },
  { name: 'basic-403', of: 'Basic is off', answer: sessionsOnly(403) },
  {
    name: 'root-wants-a-log-in',
    of: 'OpenBMC forks, Intel',
    answer: ({ path, headers }, bmc) =>
      strip(path) === '/redfish/v1' && !bmc.isAuthorized(headers)
        ? error(401, 'Base.1.8.NoValidSession', 'who?')
        : undefined,
  },
  {
    name: 'session-at-another-name',
    of: 'NAT (python-redfish-library 107)',
    answer: sessionsOnly(
      401,
      opened((path) => `https://bmc-internal.example${path}`),
    ),
  },
  {
    name: 'session-without-location',
    of: 'old Huawei',
    answer: sessionsOnly(
      401,
      opened(() => undefined),
    ),
  },
  {
    name: 'session-with-a-slash',
    of: 'iLO',
    answer: sessionsOnly(
      401,
      opened((path) => `${path}/`),
    ),
  },
  {
    name: 'session-with-200',
    of: 'Supermicro X10',
    answer: sessionsOnly(
      401,
      onLogin((ask, bmc) => (isGood(ask) ? { ...bmc.openSession(), status: 200 } : undefined)),
    ),
  },
  {
    name: 'session-without-a-body',
    of: 'Fujitsu',
    answer: sessionsOnly(
      401,
      onLogin((ask, bmc) => (isGood(ask) ? { ...bmc.openSession(), body: undefined } : undefined)),
    ),
  },
  {
    name: 'log-in-307-to-its-slash',
    of: 'check_redfish 187',
    answer: sessionsOnly(
      401,
      onLogin(({ path }) =>
        path.endsWith('/') ? undefined : { status: 307, headers: [['Location', `${SESSIONS}/`]] },
      ),
    ),
  },
  {
    name: 'log-in-301-to-its-slash',
    of: 'Supermicro',
    answer: sessionsOnly(
      401,
      onLogin(({ path }) =>
        path.endsWith('/') ? undefined : { status: 301, headers: [['Location', `${SESSIONS}/`]] },
      ),
    ),
  },
  {
    name: 'no-sessions-link',
    of: 'early Redfish',
    answer: sessionsOnly(401),
    show: (resource, path) => (path === '/redfish/v1' ? { ...resource, Links: undefined } : resource),
  },
  {
    name: 'no-session-service',
    of: 'sushy-tools, Basic alone',
    answer: onLogin(() => error(404, 'Base.1.8.ResourceMissingAtURI', 'no')),
  },
  { name: 'sessions-405', of: 'Basic alone', answer: onLogin(() => error(405, 'Base.1.8.OperationNotAllowed', 'no')) },
  {
    name: 'session-without-token',
    of: 'a fault of OpenBMC 2.8',
    answer: onLogin((_ask, bmc) => {
      const said = bmc.openSession();
      return { ...said, headers: (said.headers ?? []).filter(([name]) => name !== 'X-Auth-Token') };
    }),
  },
  {
    name: 'sessions-full-400',
    of: 'iDRAC; Basic works',
    answer: onLogin(() => error(400, 'Base.1.8.SessionLimitExceeded', 'the session establishment failed')),
  },
  {
    name: 'sessions-full-503',
    of: 'iDRAC RAC0218; Basic works',
    answer: onLogin(() => error(503, 'IDRAC.2.1.RAC0218', 'the maximum number of user sessions is reached')),
  },
  {
    name: 'session-expires',
    of: 'all',
    answer: sessionsOnly(401, (ask, bmc) => {
      if (strip(ask.path) !== SYSTEM || bmc.count('reads') !== 1) return undefined;
      bmc.sessions.clear();
      return undefined;
    }),
  },
  {
    name: 'session-expires-and-is-cut',
    of: 'check_redfish 90',
    answer: sessionsOnly(401, (ask, bmc) => {
      if (strip(ask.path) === SYSTEM && bmc.count('reads') === 1) bmc.sessions.clear();
      return undefined;
    }),
    wire: (wire, { status }) =>
      status === 401
        ? { ...wire, headers: [['Transfer-Encoding', 'chunked']], body: Buffer.from('50\r\n{"error"'), then: 'end' }
        : wire,
  },
  {
    name: '401-whose-body-breaks-off',
    of: 'old iDRAC',
    answer: sessionsOnly(401),
    wire: (wire, { status }) =>
      status === 401 ? { ...wire, headers: [['Content-Length', '500']], then: 'end' } : wire,
  },
  {
    name: 'three-401-then-good',
    of: 'infra-controller 69',
    answer: ({ headers, path, method }, bmc) =>
      (headers['authorization'] ?? headers['x-auth-token']) !== undefined &&
      method === 'GET' &&
      strip(path) === SYSTEM &&
      bmc.count('tries') % 20 >= 1 &&
      (bmc.counts['tries'] ?? 0) <= 4
        ? error(401, 'Base.1.8.NoValidSession', 'now and then')
        : undefined,
  },
  {
    name: 'password-change-required',
    of: 'OpenBMC, iDRAC with the first password',
    answer: ({ headers }, bmc) =>
      bmc.isAuthorized(headers)
        ? error(403, 'Base.1.8.PasswordChangeRequired', 'The password must be changed')
        : undefined,
    refuses: refusesAll(/change its password/),
  },
  {
    name: 'locked',
    of: 'all, after others have tried',
    answer: (ask) => {
      if (!isLogin(ask) && ask.headers['authorization'] === undefined) return undefined;
      return error(401, 'Base.1.8.AccountLocked', 'The account is locked for 600 seconds');
    },
    refuses: refusesAll(/is locked/),
  },
  {
    name: 'wrong-password',
    of: 'all',
    answer: (ask) => {
      if (!isLogin(ask) && ask.headers['authorization'] === undefined) return undefined;
      return { ...error(401, 'Base.1.8.NoValidSession', 'wrong'), headers: [['WWW-Authenticate', 'Basic realm="x"']] };
    },
    refuses: refusesAll(/refuses the user/),
  },
];
