/** Why bytes are no HTTP answer. `code` is short and stable, for messages and tests. */
export class HttpResponseError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`not an HTTP answer: ${code}`);
    this.name = 'HttpResponseError';
    this.code = code;
  }
}

/** Bounds of one answer, in bytes. */
export interface ResponseLimits {
  /** Status line, header lines, chunk sizes and trailers together. */
  readonly headBytes: number;
  /** The body as it is on the wire, without chunk sizes. */
  readonly bodyBytes: number;
}

type State =
  'status' | 'headers' | 'chunkSize' | 'chunkData' | 'chunkEnd' | 'trailers' | 'sized' | 'untilClose' | 'done';

const LF = 0x0a;
const MAX_INTERIM = 16;
const MAX_CHUNK_DIGITS = 8;
/** Headers whose repetitions count together; of every other the first counts. */
const LISTS: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', 'www-authenticate']);
const HEADER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:(.*)$/s;

/**
 * Reads one HTTP/1.x answer from the bytes of a connection, however they are cut (RFC 9112), and as leniently as the
 * clients of Python and Go do, since BMCs were tested with those: lines may end in a bare LF, an equal `Content-Length`
 * may be repeated, one beside `chunked` is ignored, header lines that are none are skipped, 1xx answers are passed
 * over. What smuggles requests past a proxy that shares connections is harmless here: each connection has one user, one
 * request at a time, and ends wherever its framing is in doubt (`keepsAlive`). Throws `HttpResponseError`, also when a
 * bound is passed.
 */
export class ResponseReader {
  /** Of the final answer, as soon as its status line and headers are there; else 0. */
  status = 0;
  /** Names in lower case. */
  headers: Record<string, string> = {};
  /** The next answer on this connection can be told from this one. */
  keepsAlive = false;
  readonly #limits: ResponseLimits;
  readonly #body: Buffer[] = [];
  #state: State = 'status';
  /** Parts of a line whose end has not come yet. */
  #line: Buffer[] = [];
  #headSize = 0;
  #bodySize = 0;
  /** Bytes that are missing of the body, or of the chunk. */
  #missing = 0;
  #interim = 0;
  #pendingStatus = 0;
  #isHttp10 = false;
  #lastHeader = '';

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
  }

  /** What was read of the body. */
  get body(): Buffer {
    return Buffer.concat(this.#body);
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Takes the next bytes. What comes after the end of the answer ends the trust in the connection. */
  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#state === 'done') {
        this.keepsAlive = false;
        return;
      }
      rest = this.#isInBody() ? this.#takeBody(rest) : this.#takeLine(rest);
    }
  }

  /** The peer will send no more. False: the answer is not whole. */
  end(): boolean {
    this.keepsAlive = false;
    if (this.#state === 'untilClose') this.#state = 'done';
    return this.isDone;
  }

  #isInBody(): boolean {
    return this.#state === 'sized' || this.#state === 'chunkData' || this.#state === 'untilClose';
  }

  #takeBody(bytes: Buffer): Buffer {
    const length = this.#state === 'untilClose' ? bytes.length : Math.min(this.#missing, bytes.length);
    this.#bodySize += length;
    if (this.#bodySize > this.#limits.bodyBytes) throw new HttpResponseError('BODY_TOO_LARGE');
    this.#body.push(bytes.subarray(0, length));
    this.#missing -= length;
    if (this.#missing === 0 && this.#state === 'sized') this.#state = 'done';
    if (this.#missing === 0 && this.#state === 'chunkData') this.#state = 'chunkEnd';
    return bytes.subarray(length);
  }

  #takeLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(LF);
    const part = end === -1 ? bytes : bytes.subarray(0, end);
    this.#headSize += part.length + 1;
    if (this.#headSize > this.#limits.headBytes) throw new HttpResponseError('HEADERS_TOO_LARGE');
    this.#line.push(part);
    // No service begins with so many bytes without a word of HTTP: it is not waited for until the deadline.
    if (end === -1) {
      if (this.#state === 'status' && !couldBeStatus(Buffer.concat(this.#line.slice(0, 8)))) throw noHttp();
      return bytes.subarray(bytes.length);
    }
    const line = Buffer.concat(this.#line).toString('latin1').replace(/\r$/, '');
    this.#line = [];
    this.#onLine(line);
    return bytes.subarray(end + 1);
  }

  #onLine(line: string): void {
    switch (this.#state) {
      case 'status':
        return this.#onStatusLine(line);
      case 'headers':
        return line === '' ? this.#onHeadersEnd() : this.#onHeader(line);
      case 'chunkSize':
        return this.#onChunkSize(line);
      case 'chunkEnd':
        if (line !== '') throw new HttpResponseError('CHUNK_END');
        this.#state = 'chunkSize';
        return;
      case 'trailers':
        if (line === '') this.#state = 'done';
        return;
      default:
        throw new Error(`no line is expected in ${this.#state}`);
    }
  }

  #onStatusLine(line: string): void {
    if (line.trim() === '') return;
    const match = /^HTTP\/(\d)(?:\.(\d))?[ \t]+(\d{3})(?:[ \t].*)?$/i.exec(line);
    const status = Number(match?.[3]);
    if (match === null || match[1] !== '1' || status < 100) throw noHttp();
    this.#isHttp10 = match[2] === '0';
    this.#pendingStatus = status;
    this.headers = {};
    this.#lastHeader = '';
    this.#state = 'headers';
  }

  #onHeader(line: string): void {
    if (line.startsWith(' ') || line.startsWith('\t')) {
      const before = this.headers[this.#lastHeader];
      if (before !== undefined) this.headers[this.#lastHeader] = `${before} ${line.trim()}`.trim();
      return;
    }
    const match = HEADER.exec(line);
    const name = match?.[1]?.toLowerCase();
    const value = match?.[2]?.trim() ?? '';
    this.#lastHeader = '';
    if (name === undefined || name === '__proto__') return;
    const before = this.headers[name];
    if (before === undefined) this.headers[name] = value;
    else if (LISTS.has(name)) this.headers[name] = `${before}, ${value}`;
    else return;
    this.#lastHeader = name;
  }

  #onHeadersEnd(): void {
    const status = this.#pendingStatus;
    if (status === 101) throw new HttpResponseError('UNASKED_UPGRADE');
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) throw new HttpResponseError('TOO_MANY_1XX');
      this.#state = 'status';
      return;
    }
    // First: what follows may be broken, the status is what the service said.
    this.status = status;
    this.#frame(status);
  }

  /** How long the body is (RFC 9112 §6.3). */
  #frame(status: number): void {
    const encoding = this.headers['transfer-encoding']?.toLowerCase();
    const codings = tokens(encoding);
    const length = lengthOf(this.headers['content-length']);
    const asked = tokens(this.headers['connection']?.toLowerCase());
    this.keepsAlive = this.#isHttp10 ? asked.includes('keep-alive') : !asked.includes('close');
    if (status === 204 || status === 304) {
      if (codings.length > 0 || (length ?? 0) > 0) this.keepsAlive = false;
      this.#state = 'done';
    } else if (codings.at(-1) === 'chunked') {
      if (this.headers['content-length'] !== undefined) this.keepsAlive = false;
      this.#state = 'chunkSize';
    } else if (length !== undefined && codings.every((coding) => coding === 'identity')) {
      if (length > this.#limits.bodyBytes) throw new HttpResponseError('BODY_TOO_LARGE');
      this.#missing = length;
      this.#state = length === 0 ? 'done' : 'sized';
    } else {
      this.keepsAlive = false;
      this.#state = 'untilClose';
    }
  }

  #onChunkSize(line: string): void {
    const digits = (line.split(';', 1)[0] ?? '').trim().replace(/^0+(?=.)/, '');
    if (!/^[0-9a-f]+$/i.test(digits) || digits.length > MAX_CHUNK_DIGITS) throw new HttpResponseError('CHUNK_SIZE');
    this.#missing = Number.parseInt(digits, 16);
    this.#state = this.#missing === 0 ? 'trailers' : 'chunkData';
  }
}

function noHttp(): HttpResponseError {
  return new HttpResponseError('NO_STATUS_LINE');
}

/** Blank lines before the status line are passed over. */
function couldBeStatus(begin: Buffer): boolean {
  const text = begin.subarray(0, 32).toString('latin1').trimStart().slice(0, 5).toUpperCase();
  return 'HTTP/'.startsWith(text);
}

function tokens(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '');
}

/** Equal repetitions are one length; different ones leave in doubt where the answer ends. */
function lengthOf(header: string | undefined): number | undefined {
  const values = new Set(tokens(header));
  if (values.size === 0) return undefined;
  const [value = ''] = values;
  // Python reads a sign, too.
  if (values.size > 1 || !/^\+?\d{1,15}$/.test(value)) throw new HttpResponseError('CONTENT_LENGTH');
  return Number(value);
}
