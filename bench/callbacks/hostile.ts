import fc, { type Arbitrary } from 'fast-check';
import { ROUTES } from '../../api/contract/routes.ts';
import { architectureReport, NORMAL } from '../../simulator/hardware.ts';

/** What a hostile client knows: one host, and perhaps its secrets. */
export interface Target {
  readonly namespace: string;
  readonly host: string;
  readonly mac: string;
  /** Of its claim, of an earlier claim, of another host, ... */
  readonly bearers: readonly string[];
  readonly nonces: readonly string[];
}

/** A request whose framing is right, and nothing else need be. */
export interface HostileRequest {
  readonly listener: 'callback' | 'boot';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'] as const;
const ODD_SEGMENTS = [
  '',
  '.',
  '..',
  '%2e%2e',
  '%2f',
  '%00',
  '%zz',
  '%',
  '%c0%af',
  '%ff%fe',
  '%E2%80%AE',
  '*',
  '$(reboot)',
  "'%20or%201=1--",
  '%7B%7B7*7%7D%7D',
  '__proto__',
  'constructor',
  'a'.repeat(300),
  'x'.repeat(2000),
  ';a=b',
  '~',
  'DEFAULT',
];
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  -0,
  0.5,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\u0000',
  '\u202e\u001b[31m',
  '\ud800',
  'x'.repeat(300),
  '999999999999999999TiB',
  [],
  {},
  [null],
  [[[]]],
  { length: -1 },
  { toString: 1, constructor: 1, hasOwnProperty: 1 },
];
const CONTENT_TYPES = [
  'application/json',
  'application/json; charset=utf-7',
  'text/plain',
  'application/xml',
  '',
  ';;;',
];

/** Requests of an attacker who tries everything that HTTP clients can send. */
export function hostileRequest(target: Target): Arbitrary<HostileRequest> {
  return fc
    .record({
      listener: fc.constantFrom('callback' as const, 'callback' as const, 'callback' as const, 'boot' as const),
      to: fc.oneof({ weight: 4, arbitrary: knownRoute(target) }, { weight: 1, arbitrary: oddPath() }),
      query: hostileQuery(target),
      headers: hostileHeaders(target),
      body: fc.option(hostileBody(), { nil: undefined, freq: 3 }),
    })
    .map(({ to: { method, path }, query, ...rest }) => ({ ...rest, method, path: `${path}${query}` }));
}

interface Line {
  readonly method: string;
  readonly path: string;
}

const segment = () =>
  fc.oneof(
    fc.constantFrom(...ODD_SEGMENTS),
    fc.string({ maxLength: 20 }).map(encodeURIComponent),
    fc.webSegment({ size: 'small' }),
  );

/** A route of the contract with what is mostly right in its place. */
function knownRoute({ namespace, host, nonces }: Target): Arbitrary<Line> {
  const often = (...right: string[]) => fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...right) }, segment());
  return fc.constantFrom(...ROUTES).chain((route) => {
    const parts = route.path.split('/').map((part): Arbitrary<string> => {
      if (part === '{namespace}') return often(namespace);
      if (part === '{host}') return often(host);
      return part === '{nonce}' ? often(...nonces) : fc.constant(part);
    });
    const right = fc.constant(route.method.toUpperCase());
    return fc.record({
      method: fc.oneof({ weight: 5, arbitrary: right }, { weight: 1, arbitrary: fc.constantFrom(...METHODS) }),
      path: fc.tuple(...parts).map((words) => words.join('/')),
    });
  });
}

function oddPath(): Arbitrary<Line> {
  return fc.record({
    method: fc.constantFrom(...METHODS),
    path: fc.oneof(
      fc.array(segment(), { maxLength: 6 }).map((parts) => `/${parts.join('/')}`),
      fc.array(segment(), { maxLength: 4 }).map((parts) => `/images/${parts.join('/')}`),
      fc.constantFrom('//', '/api/v1/', '/api/v1/boot', '/../../etc/passwd', '/?', '/#', '/api//v1/boot', '/%'),
    ),
  });
}

function hostileQuery({ mac }: Target): Arbitrary<string> {
  const odd = ['mac=', 'mac[]=1', 'mac=1&mac=2', '%', 'mac=%zz', '='.repeat(1000)];
  const query = fc.oneof(fc.constantFrom(`mac=${mac}`, ...odd), fc.webQueryParameters());
  return fc.option(query, { nil: undefined }).map((text) => (text === undefined ? '' : `?${text}`));
}

function hostileHeaders({ bearers }: Target): Arbitrary<Record<string, string>> {
  // Printable: what else there is, HTTP clients refuse to send.
  const value = fc.string({ unit: fc.constantFrom(...'abcXYZ019 "\'<>%{}:;,=/\\'), maxLength: 60 });
  const authorization = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...bearers).map((bearer) => `Bearer ${bearer}`) },
    fc.constantFrom('Bearer', 'Bearer ', 'Basic YWRtaW46YWRtaW4=', 'bearer a b', `Bearer ${'A'.repeat(3000)}`, ''),
    value,
  );
  return fc
    .record(
      {
        authorization,
        'content-type': fc.oneof(
          { weight: 4, arbitrary: fc.constant('application/json') },
          fc.constantFrom(...CONTENT_TYPES),
        ),
        range: fc.constantFrom('bytes=0-', 'bytes=-1', 'bytes=9-1', `bytes=${'1-2,'.repeat(900)}`, 'x'),
        'if-range': value,
        'x-forwarded-for': fc.oneof(fc.ipV4(), fc.ipV6(), value),
        'x-request-id': value,
        'x-http-method-override': fc.constantFrom('POST', 'DELETE'),
        'content-encoding': fc.constantFrom('gzip', 'br', 'x'),
        cookie: value,
        accept: value,
      },
      { requiredKeys: [] },
    )
    .map((headers) => ({ ...headers }));
}

function hostileBody(): Arbitrary<Buffer> {
  const good = architectureReport({ ...NORMAL, manufacturer: 'M', model: 'M', serial: 'S', mac: '02:b7:00:00:00:01' });
  const spoiled = fc
    .array(fc.tuple(fc.nat(200), fc.oneof(fc.constantFrom(...ODD_VALUES), fc.jsonValue())), {
      minLength: 0,
      maxLength: 3,
    })
    .map((changes) => changes.reduce<unknown>((report, [at, value]) => replaced(report, at, value), good));
  const text = fc.oneof(
    { weight: 4, arbitrary: spoiled.map((value) => JSON.stringify(value)) },
    { weight: 2, arbitrary: fc.json() },
    fc
      .record({ reason: fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 600 }), fc.jsonValue()) })
      .map((value) => JSON.stringify(value)),
    fc.constantFrom(
      '',
      '{',
      '[]',
      'null',
      '{"version":1e999}',
      '{"cpus":{"cores":1},"cpus":[]}',
      '{"__proto__":{"cpus":{}},"constructor":{"prototype":{}}}',
      '['.repeat(50_000),
      `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
      `{"version":"${'9'.repeat(70_000)}"}`,
      '\ufeff{}',
    ),
  );
  return fc.oneof(
    { weight: 6, arbitrary: text.map((whole) => Buffer.from(whole)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)) },
  );
}

/** The same value with another one in the place of its `at`-th part, counted from the top. */
function replaced(value: unknown, at: number, by: unknown): unknown {
  let left = at;
  const walk = (part: unknown): unknown => {
    if (left === 0) {
      left -= 1;
      return by;
    }
    left -= 1;
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, walk(item)]));
  };
  return walk(value);
}

/** Bytes for a socket that are no good HTTP: what no client library sends. */
export function hostileBytes(target: Target): Arbitrary<string> {
  const { namespace, host } = target;
  const [bearer = ''] = target.bearers;
  const path = `/api/v1/inspection/${namespace}/${host}`;
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\n`;
  return fc.oneof(
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 300 }).map((junk) => `${junk}\r\n\r\n`),
    fc.string({ maxLength: 100 }).map((junk) => `GET /${junk} HTTP/1.1\r\nHost: x\r\n\r\n`),
    fc.constantFrom(
      'GET / HTTP/9.9\r\n\r\n',
      'GET /\r\n\r\n',
      'CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n',
      `GET http://evil.test${path} HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`,
      'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`,
      `GET /${'y'.repeat(40_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(5_000)}\r\n`,
      `${head}Content-Length: -1\r\n\r\n{}`,
      `${head}Content-Length: 99999999999999999999\r\n\r\n{}`,
      `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`,
      `${head}Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n{}\r\n`,
      `${head}Transfer-Encoding: gzip\r\n\r\n{}`,
      `${head}Expect: a-miracle\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      `${head}Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      '\r\n\r\n\r\n',
      '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
    ),
  );
}
