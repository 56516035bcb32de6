import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { EncryptionCodec } from './encryption.ts';
import { CodecKeysError, KeyRing } from './keys.ts';
import { codecHandler } from './server.ts';

const HELP = `npm run codec -- --temporal-codec-keys <folder> [options]

Temporal's codec server: shows what Beskar7 encrypts in Temporal to its Web UI and to \`temporal --codec-endpoint\`.

  --temporal-codec-keys <folder>   the keys, as Beskar7 has them
  --bind-address <host:port>       default 127.0.0.1:8234; another than loopback needs --token-file
  --origins <list>                 pages that may ask from a browser, comma separated; default http://127.0.0.1:8233
  --token-file <file>              what requests have to carry: Authorization: Bearer <its content>
`;
const TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 64;

class Usage extends Error {}

function options(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      'temporal-codec-keys': { type: 'string' },
      'bind-address': { type: 'string', default: '127.0.0.1:8234' },
      origins: { type: 'string', default: 'http://127.0.0.1:8233' },
      'token-file': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  return values;
}

function main(): void {
  const given = options(process.argv.slice(2));
  if (given.help) return void process.stdout.write(HELP);
  const folder = given['temporal-codec-keys'] ?? process.env['BESKAR7_TEMPORAL_CODEC_KEYS'];
  if (folder === undefined) throw new Usage('beskar7: the codec server needs --temporal-codec-keys (see --help)');
  const [, host = '', port = ''] = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(given['bind-address']) ?? [];
  if (host === '' || Number(port) > 65_535) throw new Usage('beskar7: --bind-address: give host:port (see --help)');
  const tokenFile = given['token-file'];
  const token = tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim();
  if (token === '') throw new Usage(`beskar7: ${tokenFile ?? ''} is empty: put a long random text there`);
  if (token === undefined && !/^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host))
    throw new Usage(
      `beskar7: on ${host} everybody could read what is encrypted: give --token-file, or listen on 127.0.0.1`,
    );
  const codec = new EncryptionCodec(KeyRing.open(folder));
  const origins = given.origins.split(',').flatMap((origin) => origin.trim() || []);
  const handler = codecHandler({ codec, origins, ...(token === undefined ? {} : { token }) });
  const server = createServer({ headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS }, handler);
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = TIMEOUT_MS;
  server.on('error', (error) => fail(`beskar7: the codec server cannot listen: ${error.message}`));
  server.listen(Number(port), host, () => {
    process.stdout.write(`codec server on http://${host}:${(server.address() as AddressInfo).port}\n`);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      server.close();
      server.closeAllConnections();
    });
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

try {
  main();
} catch (error) {
  const isOurs = error instanceof Usage || error instanceof CodecKeysError;
  fail(isOurs ? error.message : `beskar7: ${(error as Error).message} (see --help)`);
}
