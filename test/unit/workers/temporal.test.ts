import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import protobuf from 'protobufjs';
import { connectTemporal, temporalTarget } from '../../../workers/temporal.ts';

/** gRPC status codes. */
const OK = 0;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;

/**
 * Temporal's wire as far as a process needs it to begin: unary gRPC calls, answered with empty messages or a status.
 */
class FakeTemporal {
  readonly called: string[] = [];
  readonly bodies = new Map<string, Buffer>();
  /** The status of a call by its name; the others are answered. */
  readonly answers = new Map<string, () => number>();
  readonly #server: Http2Server;

  constructor() {
    this.#server = createServer();
    this.#server.on('stream', (stream, headers) => void this.#serve(stream, String(headers[':path'])));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  async #serve(stream: ServerHttp2Stream, path: string): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const name = path.split('/').at(-1) ?? '';
    this.called.push(name);
    // One byte says whether it is compressed, four how long it is.
    const message = Buffer.concat(chunks);
    this.bodies.set(name, message[0] === 1 ? gunzipSync(message.subarray(5)) : message.subarray(5));
    const status = this.answers.get(name)?.() ?? OK;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status), 'grpc-message': 'as told' }));
    stream.end(status === OK ? Buffer.alloc(5) : undefined);
  }
}

let temporal: FakeTemporal;
let connection: NativeConnection | undefined;
let warnings: { fields: Record<string, unknown>; text: string }[];
const logger = {
  warn: (fields: Record<string, unknown>, text: string) => void warnings.push({ fields, text }),
  info: () => undefined,
} as unknown as Logger;

beforeEach(() => {
  temporal = new FakeTemporal();
  warnings = [];
});
afterEach(async () => {
  await connection?.close();
  connection = undefined;
  await temporal.stop();
});

async function connect(): Promise<{ hasSearchAttributes: boolean }> {
  const temporalAddress = await temporal.start();
  const connected = await connectTemporal(
    temporalTarget({ temporalAddress, temporalNamespace: 'own' }),
    { id: 'cluster-1::' },
    logger,
  );
  ({ connection } = connected);
  return connected.prepared;
}

/** Fields of a message that was sent, by number. */
function fieldsOf(body: Buffer | undefined): Map<number, Uint8Array | number> {
  const reader = protobuf.Reader.create(body ?? Buffer.alloc(0));
  const fields = new Map<number, Uint8Array | number>();
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if ((tag & 7) === 2) fields.set(tag >>> 3, reader.bytes());
    else fields.set(tag >>> 3, Number(reader.int64()));
  }
  return fields;
}
const textOf = (value: Uint8Array | number | undefined) => Buffer.from(value as Uint8Array).toString();

describe('search attributes (rule 18)', () => {
  test('are registered where they are missing', async () => {
    expect((await connect()).hasSearchAttributes).toBe(true);
    expect(temporal.called.slice(-2)).toEqual(['ListSearchAttributes', 'AddSearchAttributes']);
    const sent = temporal.bodies.get('AddSearchAttributes')?.toString('latin1') ?? '';
    for (const name of ['Namespace', 'Machine', 'Host', 'Phase']) expect(sent).toContain(`Beskar7${name}`);
    expect(warnings).toEqual([]);
  });

  test.each(['AddSearchAttributes', 'ListSearchAttributes'])(
    'are left out with one warning where %s is not allowed',
    async (name) => {
      temporal.answers.set(name, () => PERMISSION_DENIED);
      expect((await connect()).hasSearchAttributes).toBe(false);
      expect(warnings).toEqual([
        {
          fields: expect.objectContaining({ namespace: 'own' }),
          text: expect.stringContaining('continuing without them'),
        },
      ]);
      expect(temporal.called.filter((called) => called === name)).toHaveLength(1);
    },
  );
});

describe('the Temporal namespace (rule 18)', () => {
  test('one that is missing is made, and keeps closed workflows for 720 hours', async () => {
    temporal.answers.set('DescribeNamespace', () => (temporal.bodies.has('RegisterNamespace') ? OK : NOT_FOUND));
    await connect();
    const request = fieldsOf(temporal.bodies.get('RegisterNamespace'));
    // temporal.api.workflowservice.v1.RegisterNamespaceRequest: 1 namespace, 4 workflow_execution_retention_period (a
    // Duration: 1 seconds).
    expect(textOf(request.get(1))).toBe('own');
    const retention = fieldsOf(Buffer.from(request.get(4) as Uint8Array));
    expect([...retention]).toEqual([[1, 720 * 3_600]]);
  });

  test('one that is there is not made again; that it is this installation’s is all that is written', async () => {
    await connect();
    expect(temporal.called).toContain('DescribeNamespace');
    expect(temporal.called.filter((name) => /(Register|Update)Namespace/.test(name))).toEqual(['UpdateNamespace']);
    // temporal.api.workflowservice.v1.UpdateNamespaceRequest: 1 namespace, 2 update_info (3 data).
    const request = fieldsOf(temporal.bodies.get('UpdateNamespace'));
    expect([...request.keys()].sort()).toEqual([1, 2]);
    expect([...fieldsOf(Buffer.from(request.get(2) as Uint8Array)).keys()]).toEqual([3]);
  });
});
