import { deflateSync, gzipSync } from 'node:zlib';
import { without, type Habit, type Wire } from './rawBmc.ts';

const add = (wire: Wire, ...headers: (readonly [string, string])[]): Wire => ({
  ...wire,
  headers: [...wire.headers, ...headers],
});
const replaced = (wire: Wire, ...headers: (readonly [string, string])[]): Wire =>
  add({ ...wire, headers: without(wire, ...headers.map(([name]) => name.toLowerCase())) }, ...headers);
const length = ({ body }: Wire): string => String(body.length);
const chunked = (wire: Wire, last = '0\r\n\r\n'): Wire => ({
  ...replaced(wire, ['Transfer-Encoding', 'chunked']),
  body: Buffer.concat([Buffer.from(`${wire.body.length.toString(16)}\r\n`), wire.body, Buffer.from(`\r\n${last}`)]),
});

/** How answers are written. */
export const WIRE_HABITS: readonly Habit[] = [
  { name: 'plain', of: 'a service by the book' },
  { name: 'bare-lf', of: 'old BMC web servers', wire: (wire) => ({ ...wire, eol: '\n' }) },
  { name: 'no-reason', of: 'HTTP/2 proxies', wire: (wire) => ({ ...wire, line: wire.line.slice(0, 12) }) },
  {
    name: 'http-1.0',
    of: 'old AMI',
    wire: (wire) => ({
      ...wire,
      line: wire.line.replace('1.1', '1.0'),
      headers: without(wire, 'content-length'),
      then: 'end',
    }),
  },
  {
    name: 'lower-case-headers',
    of: 'OpenBMC behind HTTP/2 proxies',
    wire: (wire) => ({ ...wire, headers: wire.headers.map(([name, value]) => [name.toLowerCase(), value]) }),
  },
  {
    name: 'equal-content-lengths',
    of: 'Supermicro behind its own proxy',
    wire: (wire) => add(wire, ...without(wire, 'content-type').filter(([name]) => name === 'Content-Length')),
  },
  {
    name: 'content-length-list',
    of: 'the same, joined',
    wire: (wire) => replaced(wire, ['Content-Length', `${length(wire)}, ${length(wire)}`]),
  },
  {
    name: 'content-length-beside-chunked',
    of: 'iDRAC 8',
    wire: (wire, { status }) => (status === 204 ? wire : chunked(wire)),
  },
  {
    name: 'no-length-and-close',
    of: 'old BMC web servers',
    wire: (wire) => ({ ...wire, headers: [...without(wire, 'content-length'), ['Connection', 'close']], then: 'end' }),
  },
  {
    name: 'last-chunk-missing',
    of: 'iDRAC (check_redfish 90)',
    wire: (wire, { status }) =>
      status === 204 ? wire : { ...chunked({ ...wire, headers: without(wire, 'content-length') }, ''), then: 'end' },
  },
  {
    name: 'space-before-colon',
    of: 'old BMC web servers',
    wire: (wire) => ({ ...wire, headers: [...without(wire, 'content-length'), ['Content-Length ', length(wire)]] }),
  },
  { name: 'folded-header', of: 'old BMC web servers', wire: (wire) => add(wire, ['X-Fold', 'a\r\n b']) },
  { name: 'header-in-latin-1', of: 'translated firmware', wire: (wire) => add(wire, ['Server', 'B\u00e4r']) },
  { name: 'line-that-is-no-header', of: 'CGI scripts', wire: (wire) => add(wire, ['this is no header', '']) },
  {
    name: 'gzip-unasked',
    of: 'iDRAC, XCC',
    wire: (wire) => {
      if (wire.body.length === 0) return wire;
      const packed = { ...wire, body: gzipSync(wire.body) };
      return replaced(packed, ['Content-Encoding', 'gzip'], ['Content-Length', length(packed)]);
    },
  },
  {
    name: 'deflate-unasked',
    of: 'lighttpd',
    wire: (wire) => {
      if (wire.body.length === 0) return wire;
      const packed = { ...wire, body: deflateSync(wire.body) };
      return replaced(packed, ['Content-Encoding', 'deflate'], ['Content-Length', length(packed)]);
    },
  },
  {
    name: 'line-break-after-body',
    of: 'CGI scripts',
    wire: (wire) => ({ ...wire, body: Buffer.concat([wire.body, Buffer.from('\r\n')]) }),
  },
  {
    name: '204-with-a-body',
    of: 'Supermicro X11',
    wire: (wire, { status }) =>
      status === 204 ? { ...add(wire, ['Content-Length', '4']), body: Buffer.from('{ }\n') } : wire,
  },
  {
    name: '204-chunked',
    of: 'OpenBMC',
    wire: (wire, { status }) =>
      status === 204 ? { ...add(wire, ['Transfer-Encoding', 'chunked']), body: Buffer.from('0\r\n\r\n') } : wire,
  },
  {
    name: '100-continue-first',
    of: 'lighttpd',
    wire: (wire) => ({ ...wire, line: `HTTP/1.1 100 Continue\r\n\r\n${wire.line}` }),
  },
  { name: 'connection-close', of: 'iLO 4', wire: (wire) => ({ ...add(wire, ['Connection', 'close']), then: 'end' }) },
  { name: 'closes-without-a-word', of: 'AMI', wire: (wire) => ({ ...wire, then: 'end' }) },
  {
    name: 'keep-alive-of-0',
    of: 'OpenBMC',
    wire: (wire) => ({ ...add(wire, ['Keep-Alive', 'timeout=0']), then: 'end' }),
  },
  {
    name: 'http-in-lower-case',
    of: 'CGI scripts',
    wire: (wire) => ({ ...wire, line: wire.line.replace('HTTP', 'http') }),
  },
  { name: 'two-spaces', of: 'CGI scripts', wire: (wire) => ({ ...wire, line: wire.line.replace(' ', '  ') }) },
  { name: 'signed-length', of: 'CGI scripts', wire: (wire) => replaced(wire, ['Content-Length', `+${length(wire)}`]) },
  {
    name: 'zero-padded-length',
    of: 'CGI scripts',
    wire: (wire) => replaced(wire, ['Content-Length', `000${length(wire)}`]),
  },
  {
    name: 'text-plain',
    of: 'old Supermicro',
    wire: (wire) => replaced(wire, ['Content-Type', 'text/plain; charset=ISO-8859-1']),
  },
  { name: 'no-content-type', of: 'old Huawei', wire: (wire) => ({ ...wire, headers: without(wire, 'content-type') }) },
];
