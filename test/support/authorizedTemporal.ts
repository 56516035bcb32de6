import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Component } from '../../tools/controlplane/component.ts';
import { freePorts } from '../../tools/controlplane/ports.ts';
import { runCommand } from '../../tools/toolchain/command.ts';
import { ensureTools } from '../../tools/toolchain/index.ts';
import { makeAuthority, makeServing, type KeyedCertificate } from '../../webhooks/certificates.ts';
import type { TestControlPlane } from './controlPlane.ts';

const SHIPPED = path.join(__dirname, '..', '..', 'deploy', 'temporal', 'frontend-tls.yaml');
const NAME = 'temporal.example.com';
const KID = 'issuer-1';

/** What a token says, beside whom it is for. */
export interface TokenClaims {
  /** As `<namespace>:<read|write|admin>`. */
  readonly permissions: readonly string[];
  /** Seconds until it expires; may be negative. */
  readonly seconds?: number;
  readonly audience?: string;
}

/**
 * A production Temporal server (not that of the command line) with mutual TLS and the authoriser, as
 * deploy/temporal/frontend-tls.yaml has them, on SQLite in memory, with an issuer of tokens.
 */
export class AuthorizedTemporal {
  readonly folder: string;
  readonly plane: TestControlPlane;
  readonly #server: Component;
  readonly #issuer: Server;
  readonly #key: KeyObject;

  private constructor(plane: TestControlPlane, server: Component, issuer: Server, key: KeyObject, folder: string) {
    this.plane = plane;
    this.#server = server;
    this.#issuer = issuer;
    this.#key = key;
    this.folder = folder;
  }

  static async start(plane: TestControlPlane): Promise<AuthorizedTemporal> {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'beskar7-authorizer-'));
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const keys = JSON.stringify({
      keys: [{ ...publicKey.export({ format: 'jwk' }), kid: KID, alg: 'ES256', use: 'sig' }],
    });
    const issuer = createServer((_, response) => void response.setHeader('content-type', 'application/json').end(keys));
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    writeCertificates(folder);
    const ports = await freePorts(10);
    const address = `127.0.0.1:${ports[0]}`;
    writeConfiguration(folder, ports, `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`);
    const { 'temporal-server': file } = await ensureTools(['temporal-server']);
    const services = ['frontend', 'internal-frontend', 'history', 'matching', 'worker'];
    const own: AuthorizedTemporal = new AuthorizedTemporal(
      { ...plane, temporalAddress: address },
      new Component(
        {
          name: `temporal-authorizer-${ports[0]}`,
          file,
          args: ['--root', folder, '--config', 'config', 'start', ...services.map((name) => `--service=${name}`)],
          isReady: async () =>
            (
              await runCommand(plane.temporalCli, ['operator', 'cluster', 'health'], {
                env: { ...process.env, ...own.environment(), TEMPORAL_ADDRESS: address },
                timeoutMs: 5_000,
              })
            ).code === 0,
        },
        path.join(plane.dataFolder, 'logs'),
      ),
      issuer,
      privateKey,
      folder,
    );
    await own.#server.start();
    return own;
  }

  /** A token of the issuer, which expires in ten minutes; `key`: signed by somebody else, under the issuer's name. */
  token({ permissions, seconds = 600, audience = NAME }: TokenClaims, key: KeyObject = this.#key): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const head = part({ alg: 'ES256', typ: 'JWT', kid: KID });
    const body = part({ sub: 'test', aud: audience, iat: now - 60, exp: now + seconds, permissions });
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' });
    return `${head}.${body}.${signature.toString('base64url')}`;
  }

  /** Of a client that has a certificate, and a token where one is given, as the temporal command line reads it. */
  environment(token?: string): NodeJS.ProcessEnv {
    return {
      TEMPORAL_TLS: 'true',
      TEMPORAL_TLS_SERVER_NAME: NAME,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: path.join(this.folder, 'certs', 'temporal', 'ca.crt'),
      TEMPORAL_TLS_CLIENT_CERT_PATH: path.join(this.folder, 'certs', 'clients', 'tls.crt'),
      TEMPORAL_TLS_CLIENT_KEY_PATH: path.join(this.folder, 'certs', 'clients', 'tls.key'),
      ...(token === undefined ? {} : { TEMPORAL_API_KEY: token }),
    };
  }

  /** The same for the SDK. */
  connection(token?: string) {
    const read = (...parts: string[]) => readFileSync(path.join(this.folder, 'certs', ...parts));
    return {
      address: this.plane.temporalAddress,
      tls: {
        serverNameOverride: NAME,
        serverRootCACertificate: read('temporal', 'ca.crt'),
        clientCertPair: { crt: read('clients', 'tls.crt'), key: read('clients', 'tls.key') },
      },
      ...(token === undefined ? {} : { apiKey: token }),
    };
  }

  async stop(): Promise<void> {
    await this.#server.stop();
    this.#issuer.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function writeCertificates(folder: string): void {
  const servers = makeAuthority('temporal-ca', 1);
  const clients = makeAuthority('clients-ca', 1);
  const names = [NAME, 'temporal.internal'];
  const write = (name: string, made: KeyedCertificate, authority: KeyedCertificate) => {
    const where = path.join(folder, 'certs', name);
    mkdirSync(where, { recursive: true });
    writeFileSync(path.join(where, 'tls.crt'), made.certificate);
    writeFileSync(path.join(where, 'tls.key'), made.key, { mode: 0o600 });
    writeFileSync(path.join(where, 'ca.crt'), authority.certificate);
  };
  write('temporal', makeServing(servers, names, 1, new Date(), { isClient: true }), servers);
  write('clients', makeServing(clients, ['beskar7'], 1, new Date(), { isClient: true }), clients);
}

/** The shipped file as `base.yaml`, with this machine's places; what every server needs beside it, in the other. */
function writeConfiguration(folder: string, ports: readonly number[], keySource: string): void {
  const config = path.join(folder, 'config');
  mkdirSync(config);
  const shipped = readFileSync(SHIPPED, 'utf8')
    .replaceAll('/certs/', `${path.join(folder, 'certs')}/`)
    .replaceAll(/https:\/\/issuer\.example\.com\S*(?=')/g, keySource);
  writeFileSync(path.join(config, 'base.yaml'), shipped);
  const rpc = (index: number) => ({
    rpc: { grpcPort: ports[index], membershipPort: ports[index + 5], bindOnIP: '127.0.0.1' },
  });
  const store = {
    sql: {
      pluginName: 'sqlite',
      databaseName: 'default',
      connectAddr: 'localhost',
      connectProtocol: 'tcp',
      connectAttributes: { mode: 'memory', cache: 'private' },
      maxConns: 1,
      maxIdleConns: 1,
    },
  };
  const own = {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'store',
      visibilityStore: 'visibility',
      numHistoryShards: 1,
      datastores: { store, visibility: store },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: {
      frontend: rpc(0),
      'internal-frontend': rpc(1),
      history: rpc(2),
      matching: rpc(3),
      worker: rpc(4),
    },
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress: `127.0.0.1:${ports[0]}` },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
  };
  writeFileSync(path.join(config, 'development.yaml'), JSON.stringify(own));
}
