import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { macsOf } from '../../../model/sameServer.ts';
import { HOSTS, SECRETS } from '../../../kube/resource.ts';
import {
  base64,
  BOOT_SECRET,
  CLAIM,
  inMs,
  machine,
  MAC,
  NONCE,
  OLD_TOKEN,
  Scene,
  TOKEN,
  type HostOptions,
} from './scene.ts';

const PATH = `/api/v1/boot/default/server-01/${NONCE}`;
const BY_MAC = `/api/v1/boot?mac=${MAC}`;

let scene: Scene;
beforeEach(async () => {
  scene = await new Scene().start({ bootByMac: true, callbackUrl: 'http://10.0.0.1:8082' });
});
afterEach(() => scene.stop());

const isNotFound = { status: 404, body: 'not found' };

describe('with the nonce', () => {
  test('the script, the same bytes each time and on both listeners, by one GET and one of the Secret', async () => {
    const first = await scene.call('GET', PATH);
    expect(first).toMatchObject({ status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' } });
    expect(first.body).toContain(`beskar7.token=${TOKEN} `);
    expect(first.body).toContain('beskar7.api=http://10.0.0.1:8082 ');
    expect(first.body).toContain(`/images/inspector/vmlinuz quiet loglevel=4 `);
    expect(first.body).toMatch(/ BOOTIF=01-02-b7-00-00-00-01\n/);
    expect((await scene.call('GET', PATH)).bytes).toEqual(first.bytes);
    expect((await scene.call('GET', PATH, { boot: true })).bytes).toEqual(first.bytes);
    expect(scene.kube.count('get', 'physicalhosts')).toBe(3);
    expect(scene.kube.count('get', 'secrets')).toBe(1);
    expect(scene.kube.count('patch', 'physicalhosts')).toBe(1);
    expect(scene.live().status).toMatchObject({ inspectionPhase: 'InProgress', inspection: { claim: CLAIM } });
  });
  test('made of what the Secret of the claim says: an edit of the spec changes no byte of it', async () => {
    const spec = { targetOSImage: 'http://images.test/planned.tar.gz', deployMode: 'Kexec' } as const;
    scene.secret({ spec });
    const first = await scene.call('GET', PATH);
    expect(first.body).toContain(' beskar7.target=http://images.test/planned.tar.gz ');
    scene.machine = machine({ targetOSImage: 'http://images.test/edited.tar.gz', configurationURL: 'http://x/y' });
    expect((await scene.call('GET', PATH)).bytes).toEqual(first.bytes);
    // By a process that has seen nothing yet.
    const other = await new Scene().start({ bootByMac: true, callbackUrl: 'http://10.0.0.1:8082' });
    other.secret({ spec });
    other.machine = scene.machine;
    const { body } = await other.call('GET', BY_MAC);
    expect(body.replace(/kernel \S+|initrd http\S+/g, '')).toBe(first.body.replace(/kernel \S+|initrd http\S+/g, ''));
    await other.stop();
  });
  test.each<[string, (at: Scene) => void]>([
    [
      'what the Secret says cannot be read',
      ({ kube }) => {
        const secret = kube.peek(SECRETS, 'default', BOOT_SECRET);
        kube.put(SECRETS, { ...secret, data: { ...secret.data, spec: base64('{"attempts":1}') } });
      },
    ],
    [
      'the Secret says nothing of the spec: what the machine asks for now is no substitute',
      ({ kube }) => {
        const { data: { spec: _spec, ...data } = {}, ...secret } = kube.peek(SECRETS, 'default', BOOT_SECRET);
        kube.put(SECRETS, { ...secret, data });
      },
    ],
    ['the Secret has another type', (at) => void at.secret({ type: 'Opaque' })],
    ['the Secret has another token', (at) => void at.secret({ token: OLD_TOKEN })],
    ['the claim names another Secret', (at) => void at.host({ claim: { bootSecret: 'another' } })],
  ])('404 and an event: %s', async (_what, change) => {
    change(scene);
    expect(await scene.call('GET', PATH)).toMatchObject(isNotFound);
    expect(scene.events).toMatchObject([{ type: 'Warning', reason: 'InvalidBootConfiguration' }]);
  });
  test.each([
    ['another namespace', { namespace: 'victim', uid: 'm-1' }],
    ['no uid', { uid: undefined }],
    ['the uid of another machine', { uid: 'm-2' }],
  ])('a tenant that makes its own host name a machine of %s gets no script of it', async (_what, of) => {
    const consumerRef = {
      apiVersion: 'v1',
      kind: 'Beskar7Machine',
      namespace: 'default',
      name: 'worker-01',
      uid: 'm-1',
    };
    scene.host({ spec: { consumerRef: { ...consumerRef, ...of } as never } });
    for (const path of [PATH, BY_MAC]) expect(await scene.call('GET', path)).toMatchObject(isNotFound);
  });
  test('is served also when InProgress cannot be written', async () => {
    scene.kube.before = ({ verb }) => {
      if (verb === 'patch') throw new Error('the API server is away');
    };
    expect((await scene.call('GET', PATH)).status).toBe(200);
  });
  test.each([
    ['02-B7-00-00-00-99', 'BOOTIF=01-02-b7-00-00-00-99'],
    ['', 'BOOTIF=01-02-b7-00-00-00-01'],
    ['x%20init=/bin/sh', 'BOOTIF=01-02-b7-00-00-00-01'],
  ])('mac=%j gives %s', async (mac, expected) => {
    expect((await scene.call('GET', `${PATH}?mac=${mac}`)).body).toContain(` ${expected}\n`);
  });
  test.each<[string, NonNullable<Parameters<Scene['host']>[0]>]>([
    ['not armed', { claim: { stage: 'Claimed' } }],
    ['handed over', { claim: { stage: 'HandedOver' } }],
    ['being released', { claim: { stage: 'Releasing' } }],
    ['reported', { status: { inspection: { claim: CLAIM, reportDigest: 'sha256:0' } } }],
    ['timed out', { status: { inspectionPhase: 'Timeout', inspection: { claim: CLAIM } } }],
    ['failed', { status: { inspectionPhase: 'Failed', inspection: { claim: CLAIM } } }],
    ['late', { status: { inspection: { claim: CLAIM, deadline: inMs(-61_000) } } }],
    ['of an empty hash', { claim: { nonceHash: '' } }],
    ['of a Secret that was changed', { claim: { tokenHash: '0'.repeat(64) } }],
  ])('404: %s', async (_name, host) => {
    scene.host(host);
    expect(await scene.call('GET', PATH)).toMatchObject(isNotFound);
  });
  test('what an earlier claim left behind closes nothing', async () => {
    scene.host({ status: { inspectionPhase: 'Timeout', inspection: { claim: 'x', reportDigest: 'sha256:0' } } });
    expect((await scene.call('GET', PATH)).status).toBe(200);
  });
  test.each([
    `/api/v1/boot/default/server-01/${OLD_TOKEN}`,
    `/api/v1/boot/default/server-01/${TOKEN}`,
    '/api/v1/boot/default/server-01/',
    '/api/v1/boot/default/server-01/%20',
    `/api/v1/boot/default/none/${NONCE}`,
    `/api/v1/boot/Default/server-01/${NONCE}`,
    `/api/v1/boot/..%2Fdefault/server-01/${NONCE}`,
  ])('404: %s', async (path) => {
    expect(await scene.call('GET', path)).toMatchObject(isNotFound);
  });
  test('404 and an event: no Secret; a spec that no script can be made of', async () => {
    scene.secret({ spec: { targetOSImage: 'http://x/ init=/bin/sh' } });
    expect(await scene.call('GET', PATH)).toMatchObject(isNotFound);
    expect(scene.events[0]?.message).toContain('targetOSImage');
    const other = await new Scene().start();
    other.kube.remove(SECRETS, 'default', BOOT_SECRET);
    expect(await other.call('GET', PATH)).toMatchObject(isNotFound);
    expect(other.events).toMatchObject([{ type: 'Warning', reason: 'InvalidBootConfiguration' }]);
    await other.stop();
  });
  test('404: the machine is gone, or another one of the same name', async () => {
    scene.machine = undefined;
    expect(await scene.call('GET', PATH)).toMatchObject(isNotFound);
    scene.machine = machine();
    scene.machine.metadata.uid = 'm-2';
    expect(await scene.call('GET', PATH)).toMatchObject(isNotFound);
  });
  test('no callback URL: the address at which the server found us', async () => {
    const other = await new Scene().start({ callbackUrl: 'http://0.0.0.0:8082' });
    const { port } = other.api.callbackAddress;
    const { body } = await other.call('GET', PATH, { boot: true, headers: { Host: 'evil.test' } });
    expect(body).toContain(`beskar7.api=http://127.0.0.1:${port} `);
    expect(body).toContain(`kernel http://127.0.0.1:${other.api.bootAddress.port}/images/inspector/vmlinuz `);
    await other.stop();
  });
});

describe('by MAC', () => {
  test('is off unless asked for', async () => {
    const other = await new Scene().start();
    expect(await other.call('GET', BY_MAC)).toMatchObject(isNotFound);
    await other.stop();
  });
  test('the first fetch pins the address by one PATCH and no GET of the host; a repeat gives the same bytes', async () => {
    const first = await scene.call('GET', BY_MAC, { boot: true });
    expect(first.status).toBe(200);
    expect(scene.kube.calls.map(({ verb, resource }) => `${verb} ${resource}`)).toEqual([
      'patch physicalhosts',
      'get secrets',
    ]);
    expect(scene.live().status?.inspection).toEqual({ claim: CLAIM, sourceAddress: '127.0.0.1' });
    expect((await scene.call('GET', BY_MAC)).bytes).toEqual(first.bytes);
    expect(scene.kube.count('patch', 'physicalhosts')).toBe(1);
    expect((await scene.call('GET', PATH)).bytes).toEqual(first.bytes);
    expect(scene.live().status?.inspectionPhase).toBe('InProgress');
    expect(scene.kube.count('patch', 'physicalhosts')).toBe(1);
  });
  test('MAC in other letters; a MAC that the BMC told', async () => {
    expect((await scene.call('GET', '/api/v1/boot?mac=02-B7-00-00-00-01')).status).toBe(200);
  });
  test('pinned to another address: 404 and an event', async () => {
    scene.host({ status: { inspection: { claim: CLAIM, sourceAddress: '10.9.9.9' } } });
    expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
    expect(scene.events).toMatchObject([{ type: 'Warning', reason: 'BootScriptRefused' }]);
    expect(scene.events[0]?.message).toContain('127.0.0.1');
    expect(scene.events[0]?.message).toContain('10.9.9.9');
  });
  test('a pin of an earlier claim holds nobody off, and its facts go', async () => {
    const inspection = { claim: 'earlier', sourceAddress: '10.9.9.9', deadline: inMs(-9e6), reportDigest: 'sha256:0' };
    scene.host({ status: { inspection } });
    expect((await scene.call('GET', BY_MAC)).status).toBe(200);
    expect(scene.live().status?.inspection).toEqual({ claim: CLAIM, sourceAddress: '127.0.0.1' });
  });
  test('a cache that is behind is overruled by the live host', async () => {
    const unarmed = scene.host({ claim: { stage: 'Claimed' } });
    scene.host();
    scene.cached = () => [unarmed];
    expect((await scene.call('GET', BY_MAC)).status).toBe(200);
    // The other way round: the cache says armed, the live host is being released.
    const armed = scene.host();
    scene.host({ claim: { stage: 'Releasing' } });
    scene.cached = () => [armed];
    expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
  });
  test('two hosts with one MAC: neither', async () => {
    scene.cached = () => [scene.live(), scene.host({ name: 'server-02' })];
    expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
    expect(scene.kube.calls).toEqual([]);
    expect(JSON.stringify(scene.logs)).toContain('several hosts have this MAC address');
    expect(scene.events).toMatchObject([
      { object: 'server-01', reason: 'BootScriptRefused', message: expect.stringContaining('PhysicalHost server-02') },
      { object: 'server-02', reason: 'BootScriptRefused', message: expect.stringContaining('PhysicalHost server-01') },
    ]);
  });
  describe('a BMC that tells MAC addresses of others', () => {
    const told = (...macAddresses: string[]): HostOptions => ({
      spec: { bootMACAddress: undefined as never },
      status: { macAddresses },
    });
    const more = Array.from({ length: 127 }, (_, n) => `02:b7:00:00:01:${n.toString(16).padStart(2, '0')}`);
    const theirs = {
      consumerRef: { apiVersion: 'v1', kind: 'Beskar7Machine', namespace: 'default', name: 'x', uid: 'x' },
    };
    /** The cache finds each host by all its addresses, as the index does. */
    const cached = (...names: string[]) => {
      const hosts = names.map((name) => scene.live(name));
      scene.cached = (mac) => hosts.filter((host) => macsOf(host).includes(mac));
    };

    test('of 128 hosts: one whose address stands in its spec boots, and so does one whose BMC tells it', async () => {
      scene.host({
        name: 'liar',
        spec: { bootMACAddress: undefined as never, ...theirs },
        status: { macAddresses: [MAC, ...more] },
      });
      scene.host({ name: 'victim', claim: { stage: 'Claimed' }, ...told(more[0] ?? '') });
      cached('server-01', 'victim', 'liar');
      expect((await scene.call('GET', BY_MAC)).body).toContain('beskar7.host=server-01 ');
      scene.host(told(MAC));
      cached('server-01', 'victim', 'liar');
      expect((await scene.call('GET', BY_MAC)).body).toContain('beskar7.host=server-01 ');
    });
    test('its own script never goes to the server of another host, whose claim is not armed', async () => {
      scene.host({ claim: { stage: 'HandedOver' }, ...told(MAC) });
      scene.host({ name: 'victim', claim: { stage: 'HandedOver' }, ...told(more[0] ?? '') });
      scene.host({ name: 'liar', ...told(MAC, ...more) });
      cached('server-01', 'victim', 'liar');
      expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
      expect(scene.kube.count('patch', 'physicalhosts')).toBe(0);
    });
    test('of one host: that boots while the liar is free', async () => {
      scene.host(told(MAC));
      const { consumerRef: _gone, ...free } = scene.host({ name: 'liar', ...told(MAC) }).spec;
      const liar = scene.live('liar');
      scene.kube.put(HOSTS, { ...liar, metadata: { ...liar.metadata, annotations: {} }, spec: free });
      cached('server-01', 'liar');
      expect((await scene.call('GET', BY_MAC)).body).toContain('beskar7.host=server-01 ');
    });
    test.each(['Armed', 'HandedOver'] as const)(
      'of one host, and both have a claim (%s): neither, and it is said',
      async (stage) => {
        scene.host(told(MAC));
        scene.host({ name: 'liar', claim: { stage }, ...told(MAC) });
        cached('server-01', 'liar');
        expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
        expect(scene.events[0]).toMatchObject({
          object: 'server-01',
          message: expect.stringContaining('Set spec.bootMACAddress'),
        });
      },
    );
  });
  test.each(['', 'x', '02:b7:00:00:00', '02:b7:00:00:00:01:02', '02:b7:00:00:00:02'])('404: mac=%j', async (mac) => {
    expect(await scene.call('GET', `/api/v1/boot?mac=${mac}`)).toMatchObject(isNotFound);
  });
  test('two addresses at once: one wins', async () => {
    let isFirst = true;
    scene.kube.before = ({ verb }) => {
      if (verb !== 'patch' || !isFirst) return;
      isFirst = false;
      scene.host({ status: { inspection: { claim: CLAIM, sourceAddress: '10.9.9.9' } } });
    };
    expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
    expect(scene.live().status?.inspection?.sourceAddress).toBe('10.9.9.9');
  });
  test('the host is gone: 404', async () => {
    const gone = scene.live();
    scene.cached = () => [gone];
    scene.kube.remove(HOSTS, 'default', 'server-01');
    expect(await scene.call('GET', BY_MAC)).toMatchObject(isNotFound);
  });
});
