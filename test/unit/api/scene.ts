import { createHash } from 'node:crypto';
import { request } from 'node:http';
import type { ApiOptions, MachineRef, SignalKind } from '../../../api/index.ts';
import { startApi, type Api } from '../../../api/index.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { BOOT_SECRET_TYPE, bootSecretName, bootSpecText, type BootSpec } from '../../../model/bootSecret.ts';
import type { ClaimStage } from '../../../model/claim.ts';
import type { PhysicalHost, PhysicalHostStatus } from '../../../crds/physicalHost.ts';
import { HOSTS, SECRETS, type Identified } from '../../../kube/resource.ts';
import { claimAnnotation, type ClaimFields } from '../../support/claims.ts';
import { FakeKube } from './fakeKube.ts';
import { REPORT } from './reports.ts';

export const TOKEN = 'tok-'.padEnd(43, 'A');
export const NONCE = 'non-'.padEnd(43, 'B');
export const OLD_TOKEN = 'old-'.padEnd(43, 'C');
export const CLAIM = '11111111-1111-4111-8111-111111111111';
export const BOOT_SECRET = bootSecretName('server-01', CLAIM);
export const MAC = '02:b7:00:00:00:01';

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
export const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  readonly bytes: Buffer;
}

export interface HostOptions {
  namespace?: string;
  readonly name?: string;
  readonly claim?: ClaimFields & { readonly stage?: ClaimStage };
  readonly status?: Partial<PhysicalHostStatus>;
  readonly spec?: Partial<PhysicalHost['spec']>;
}

/**
 * An API on free ports over an API server in memory, with one armed host `default/server-01` of machine
 * `default/worker-01`.
 */
export class Scene {
  readonly kube = new FakeKube();
  readonly signals: { kind: SignalKind; machine: MachineRef; claim: string; stored: PhysicalHost['status'] }[] = [];
  readonly events: { object: string; type: string; reason: string; message: string }[] = [];
  readonly logs: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  signal: () => Promise<void> = () => Promise.resolve();
  /** Hosts as they were when their report was about to be replaced. */
  readonly kept: PhysicalHost[] = [];
  keepReport: () => Promise<void> = () => Promise.resolve();
  machine: Beskar7Machine | undefined = machine();
  /** What the watch cache has; by default what is live. */
  cached: ((mac: string) => PhysicalHost[]) | undefined;
  #api: Api | undefined;

  constructor() {
    this.host();
    this.secret();
  }

  /** The Secret that the claim names, with what its boot script is made of. */
  secret({
    spec = {},
    type = BOOT_SECRET_TYPE,
    token = TOKEN,
  }: { spec?: Partial<BootSpec>; type?: string; token?: string } = {}) {
    return this.kube.put(SECRETS, {
      metadata: { namespace: 'default', name: BOOT_SECRET, uid: 's', resourceVersion: '1' },
      type,
      data: {
        token: base64(token),
        nonce: base64(NONCE),
        spec: base64(bootSpecText({ ...machine().spec, machineName: 'worker-01', ...spec })),
      },
    });
  }

  async start(options: Partial<ApiOptions> = {}): Promise<this> {
    const log = (level: string) => (fields: unknown, message?: string) =>
      void this.logs.push({ level, fields: fields as Record<string, unknown>, message: message ?? '' });
    const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
    this.#api = await startApi(
      {
        kube: this.kube,
        machineOf: () => Promise.resolve(this.machine),
        keepReport: async (host) => {
          this.kept.push(host);
          await this.keepReport();
        },
        hostsByMac: (mac) => this.cached?.(mac) ?? (mac === MAC ? [this.live()] : []),
        signal: async (kind, ref, claim) => {
          this.signals.push({ kind, machine: ref, claim, stored: this.live().status });
          await this.signal();
        },
        recorder: {
          event: (object: Identified, type: string, reason: string, message: string) =>
            void this.events.push({ object: object.metadata.name, type, reason, message }),
        },
        logger,
      },
      {
        callbackBindAddress: { host: '127.0.0.1', port: 0 },
        bootBindAddress: { host: '127.0.0.1', port: 0 },
        ...options,
      },
    );
    return this;
  }

  get api(): Api {
    if (this.#api === undefined) throw new Error('start() first');
    return this.#api;
  }

  async stop(): Promise<void> {
    await this.#api?.stop();
  }

  /** Writes the host anew. `claim: {}` is the armed claim. */
  host({
    namespace = 'default',
    name = 'server-01',
    claim = {},
    status = {},
    spec = {},
  }: HostOptions = {}): PhysicalHost {
    const { stage = 'Armed', ...fields } = claim;
    const whole = {
      id: CLAIM,
      deadline: inMs(600_000),
      since: inMs(0),
      tokenHash: sha256(TOKEN),
      nonceHash: sha256(NONCE),
      bootSecret: BOOT_SECRET,
      ...fields,
    };
    return this.kube.put(HOSTS, {
      apiVersion: 'infrastructure.cluster.x-k8s.io/v1beta1',
      kind: 'PhysicalHost',
      metadata: {
        namespace,
        name,
        uid: `uid-${name}`,
        resourceVersion: '1',
        annotations: claimAnnotation(stage, whole),
      },
      spec: {
        redfishConnection: { address: 'https://10.0.0.5', credentialsSecretRef: 'bmc' },
        bootMACAddress: MAC,
        consumerRef: { apiVersion: 'v1', kind: 'Beskar7Machine', namespace, name: 'worker-01', uid: 'm-1' },
        ...spec,
      },
      status: { state: 'Inspecting', ...status },
    });
  }

  live(name = 'server-01'): PhysicalHost {
    return this.kube.peek(HOSTS, 'default', name);
  }

  /** A call to the callback listener (or the boot listener). */
  call(
    method: string,
    path: string,
    options: { bearer?: string; body?: string | Buffer; headers?: Record<string, string>; boot?: boolean } = {},
  ): Promise<Answer> {
    const { bearer, body, headers = {}, boot = false } = options;
    const { port } = boot ? this.api.bootAddress : this.api.callbackAddress;
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          path,
          method,
          agent: false,
          headers: {
            ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
            ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
            ...(body === undefined || 'Transfer-Encoding' in headers
              ? {}
              : { 'Content-Length': String(Buffer.byteLength(body)) }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const bytes = Buffer.concat(chunks);
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString(), bytes });
          });
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  report(body: string | Buffer = JSON.stringify(REPORT), bearer = TOKEN): Promise<Answer> {
    return this.call('POST', '/api/v1/inspection/default/server-01', { bearer, body });
  }

  /** Resolves when `isTrue`, throws after 5 s. */
  async until(isTrue: () => boolean): Promise<void> {
    const deadline = Date.now() + 5_000;
    while (!isTrue()) {
      if (Date.now() > deadline) throw new Error('it did not come to be');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

export function base64(text: string | Buffer): string {
  return Buffer.from(text).toString('base64');
}

export function machine(spec: Partial<Beskar7Machine['spec']> = {}): Beskar7Machine {
  return {
    metadata: { namespace: 'default', name: 'worker-01', uid: 'm-1', resourceVersion: '1' },
    spec: { targetOSImage: 'http://images.test/kairos.tar.gz', ...spec },
  };
}
