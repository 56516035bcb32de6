import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { claimHost } from '../../../activities/claim/claimHost.ts';
import type { Dependencies } from '../../../activities/dependencies.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { FINALIZER_MACHINE } from '../../../crds/names.ts';
import { KubeError } from '../../../kube/error.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import { HOSTS, MACHINES, type Resource } from '../../../kube/resource.ts';
import { CLAIM, claimedHost, freeHost, machine } from '../controllers/builders.ts';
import { ApiServer } from './apiServer.ts';
import { asActivity, cachesOf, RUN, workerOn } from './worker.ts';

const fail = (status: number, reason: string) =>
  Promise.reject(new KubeError({ verb: 'patch', resource: 'physicalhosts' }, { status, reason, message: reason }));

let claimsSent: string[];
/** What the API server answers to a claim of a host. */
let answers: Record<string, () => Promise<PhysicalHost>>;
let live: PhysicalHost;
let statuses: Beskar7Machine['status'][];

const asked = machine();
const kube = {
  get: (resource: Resource) => Promise.resolve(resource === HOSTS ? live : asked),
  mergePatch: (resource: Resource, _namespace: string, name: string) => {
    if (resource !== HOSTS) return Promise.resolve(asked);
    claimsSent.push(name);
    return answers[name]?.() ?? Promise.reject(new Error(`claimed ${name}`));
  },
  applyStatus: (_resource: unknown, written: Beskar7Machine) => {
    statuses.push(written.status);
    return Promise.resolve(written);
  },
};
const free = ['a', 'b'].map((name) => freeHost(name, {}, { name, uid: `${name}-uid` }));
const deps = {
  kube,
  caches: {
    availableHosts: () => ({ hosts: free, lookedAt: 2 }),
    hosts: () => free,
    hostsNaming: () => [],
    isNamed: () => false,
    machineOn: () => undefined,
    duplicateOf: () => undefined,
    waitingMachines: () => [],
  },
  reservations: {
    tryReserve: () => true,
    release: () => undefined,
    lose: () => undefined,
    isReserved: () => false,
    isReservedFor: () => false,
  },
  options: { bootTimeoutMs: 600_000 },
} as unknown as Dependencies;
const ref = { namespace: 'ns', name: 'm', uid: 'm-uid' };
const claim = () =>
  claimHost(deps, {
    run: { machine: ref, runId: 'r' },
    attempt: 1,
    tried: [],
    isReset: false,
    isCancelled: false,
  } as unknown as Parameters<typeof claimHost>[1]);

describe('a host that is claimed', () => {
  beforeEach(() => {
    claimsSent = [];
    statuses = [];
    answers = {};
    live = freeHost('a');
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test('no claim is sent when the activity may have been given up, and another one looks for this one’s claim', async () => {
    const began = performance.now();
    let isLate = false;
    jest.spyOn(performance, 'now').mockImplementation(() => began + (isLate ? 26_000 : 0));
    const { get } = kube;
    jest.spyOn(kube, 'get').mockImplementation((resource) => {
      isLate = true;
      return get(resource);
    });
    await expect(claim()).rejects.toThrow(/took too long; it is retried/);
    expect(claimsSent).toEqual([]);
  });

  test('one that was lost to an earlier try for the same machine: no second host is claimed', async () => {
    live = claimedHost('Claimed', {}, {}, { id: CLAIM });
    for (const name of ['a', 'b']) answers[name] = () => fail(409, 'Conflict');
    await expect(claim()).rejects.toThrow(/claimed by an earlier attempt/);
    expect(claimsSent).toHaveLength(1);
  });

  test('one that a run before this one, reset since, is about to claim for the same machine: no second host is claimed', async () => {
    const api = await ApiServer.start();
    try {
      api.put(MACHINES, machine());
      for (const name of ['a', 'b']) api.put(HOSTS, freeHost(name));
      const deps = workerOn(api);
      const taken = await new Promise<string>((resolve, reject) => {
        const held = kubeHeld(deps, resolve);
        asActivity(() => claimHost(held, claimInput(api))).catch(reject);
      });
      await expect(asActivity(() => claimHost(deps, claimInput(api)))).rejects.toThrow(
        `host ns/${taken} is being claimed for this machine`,
      );
      expect(api.list(HOSTS).filter(({ spec }) => spec.consumerRef !== undefined)).toEqual([]);
    } finally {
      await api.stop();
    }
  });

  test('none that another machine says by its providerID that it runs on', async () => {
    const api = await ApiServer.start();
    try {
      api.put(MACHINES, machine());
      api.put(HOSTS, freeHost('a'));
      const deps = workerOn(api, { caches: cachesOf(api, { isNamed: () => true }) });
      const result = await asActivity(() => claimHost(deps, claimInput(api)));
      expect(result).toMatchObject({
        kind: 'noMatchingHost',
        message: expect.stringContaining("looked at 1 host (1 named by another machine's providerID)"),
      });
    } finally {
      await api.stop();
    }
  });

  test('one that was lost to another machine: the next one is tried', async () => {
    const first = () => fail(409, 'Conflict');
    const [one = ''] = await order(first);
    expect(claimsSent).toEqual([one, one === 'a' ? 'b' : 'a']);
  });

  test('one that may not be written does not keep the others away; when there is no other, it is said', async () => {
    const [one = ''] = await order(() => fail(422, 'Invalid'));
    expect(claimsSent).toEqual([one, one === 'a' ? 'b' : 'a']);
    claimsSent = [];
    for (const name of ['a', 'b']) answers[name] = () => fail(403, 'Forbidden');
    await expect(claim()).resolves.toMatchObject({ kind: 'claimRefused', retryInMs: 30_000 });
    expect(claimsSent).toHaveLength(2);
    const [status] = statuses;
    expect(status).toMatchObject({ phase: 'Claiming' });
    expect(status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      reason: 'ClaimRefused',
      message: expect.stringMatching(
        /refuses to let a host be claimed \(.*Forbidden.*Tried again every 30 s\./,
      ) as unknown,
    });
  });

  /** The host that is preferred answers so; gives the order in which they were asked. */
  async function order(answer: () => Promise<PhysicalHost>): Promise<string[]> {
    await expect(claim()).rejects.toThrow(/^claimed /);
    const [preferred = ''] = claimsSent;
    claimsSent = [];
    answers[preferred] = answer;
    await expect(claim()).rejects.toThrow(/^claimed /);
    return claimsSent;
  }
});

/** A worker whose claims of a host never reach the API server; the reservations are those of the process. */
function kubeHeld(deps: Dependencies, onClaim: (host: string) => void): Dependencies {
  const { kube } = deps;
  const held = {
    get: kube.get.bind(kube),
    list: kube.list.bind(kube),
    applyStatus: kube.applyStatus.bind(kube),
    mergePatch: (resource: typeof HOSTS, namespace: string, name: string, patch: object) => {
      if (resource !== HOSTS) return kube.mergePatch(resource, namespace, name, patch);
      onClaim(name);
      return new Promise<never>(() => undefined);
    },
  };
  return { ...deps, kube: held as unknown as Dependencies['kube'] };
}

function claimInput(api: ApiServer) {
  const { uid = '' } = api.get(MACHINES, 'm').metadata;
  return {
    run: { ...RUN, machine: { ...RUN.machine, uid } },
    attempt: 1,
    tried: [],
    isReset: false,
    isCancelled: false,
  };
}

describe('a claim leaves a host to an older machine that waits for it (rule 15)', () => {
  let api: ApiServer;
  beforeEach(async () => {
    api = await ApiServer.start();
    api.put(MACHINES, machine({ metadata: { creationTimestamp: '2026-01-01T12:00:00Z' } }));
  });
  afterEach(() => api.stop());

  /** A machine that waits, made an hour before the one that claims, unless told otherwise. */
  const waiter = (parts: Parameters<typeof machine>[0] = {}): Beskar7Machine =>
    machine({
      ...parts,
      metadata: { name: 'w', uid: 'w-uid', creationTimestamp: '2026-01-01T11:00:00Z', ...parts.metadata },
    });

  async function claimBeside(...waiting: Beskar7Machine[]) {
    const deps = workerOn(api, { caches: cachesOf(api, { waitingMachines: () => waiting }) });
    const result = await asActivity(() => claimHost(deps, claimInput(api)));
    const claims = api.writes.filter(({ verb, what }) => verb === 'patch' && /^physicalhosts\/[^/]+$/.test(what));
    return { result, claims: claims.map(({ what }) => what) };
  }

  test('one host and an older one that it fits: no claim is sent, and the machine says why', async () => {
    api.put(HOSTS, freeHost('a'));
    const { result, claims } = await claimBeside(waiter());
    expect(result).toMatchObject({ kind: 'noMatchingHost', message: expect.stringContaining('waits longer') });
    expect(claims).toEqual([]);
    const [ready] = api.get(MACHINES, 'm').status?.conditions ?? [];
    expect(ready).toMatchObject({
      reason: 'NoMatchingHost',
      message: expect.stringContaining('1 wanted by a machine'),
    });
  });

  test.each<[string, Beskar7Machine]>([
    ['asks for other labels', waiter({ spec: { hostSelector: { matchLabels: { rack: '2' } } } })],
    ['is bound to another zone', waiter({ status: { waitingFor: { failureDomain: 'zone-b' } } })],
    ['has tried the host', waiter({ status: { waitingFor: { triedHosts: ['a'] } } })],
    ['is younger', waiter({ metadata: { creationTimestamp: '2026-01-01T13:00:00Z' } })],
    [
      'was made in the same second, and comes after it by name',
      waiter({ metadata: { name: 'z', creationTimestamp: '2026-01-01T12:00:00Z' } }),
    ],
    ['is the machine itself', machine({ metadata: { creationTimestamp: '2026-01-01T12:00:00Z' } })],
  ])('one that waits but %s does not hold it up', async (_why, waiting) => {
    api.put(HOSTS, freeHost('a', { rack: '1' }));
    const { result, claims } = await claimBeside(waiting);
    expect(result).toMatchObject({ kind: 'claimed', claim: { ref: { host: 'a' } } });
    expect(claims).toEqual(['physicalhosts/a']);
  });

  test('two hosts and one older one: one is claimed, the other is left', async () => {
    for (const name of ['a', 'b']) api.put(HOSTS, freeHost(name));
    const { result, claims } = await claimBeside(waiter());
    expect(result.kind).toBe('claimed');
    expect(claims).toHaveLength(1);
    expect(api.list(HOSTS).filter(({ spec }) => spec.consumerRef === undefined)).toHaveLength(1);
  });

  test('two hosts and two older ones: both are left', async () => {
    for (const name of ['a', 'b']) api.put(HOSTS, freeHost(name));
    const { result } = await claimBeside(waiter(), waiter({ metadata: { name: 'v', uid: 'v-uid' } }));
    expect(result.kind).toBe('noMatchingHost');
  });

  test.each(Array.from({ length: 8 }, (_, n) => `m-uid-${n}`))(
    'the host that an older one needs is left to it, whatever is preferred (%s)',
    async (uid) => {
      api.put(MACHINES, machine({ metadata: { uid, creationTimestamp: '2026-01-01T12:00:00Z' } }));
      for (const name of ['a', 'b', 'c']) api.put(HOSTS, freeHost(name, { rack: name }));
      const only = (...values: string[]) => ({
        hostSelector: { matchExpressions: [{ key: 'rack', operator: 'In' as const, values }] },
      });
      const older = waiter({ metadata: { name: 'v', uid: 'v-uid' }, spec: only('a', 'b') });
      // That one has to go to `b`, where this one leaves `a` to it.
      const { claims } = await claimBeside(waiter({ spec: only('a') }), older);
      expect(claims).toEqual(['physicalhosts/c']);
    },
  );

  test('a host becomes free between the look and the word that there is none: it is claimed, nobody would wake this run', async () => {
    api.answering = ({ verb, what }) => {
      if (verb === 'apply' && what === 'beskar7machines/m/status' && api.list(HOSTS).length === 0)
        api.put(HOSTS, freeHost('a'));
    };
    const { result, claims } = await claimBeside();
    expect(result.kind).toBe('claimed');
    expect(claims).toEqual(['physicalhosts/a']);
  });
});

describe('for a run that is cancelled before it begins', () => {
  let api: ApiServer;
  beforeEach(async () => {
    api = await ApiServer.start();
  });
  afterEach(() => api.stop());

  const cancelled = () =>
    asActivity(() => claimHost(workerOn(api), { run: RUN, attempt: 1, tried: [], isReset: false, isCancelled: true }));

  test('a free host is left alone', async () => {
    api.put(MACHINES, machine());
    api.put(HOSTS, freeHost('a'));
    await expect(cancelled()).resolves.toMatchObject({ kind: 'noMatchingHost' });
    expect(api.written().filter((write) => write.includes('physicalhosts'))).toEqual([]);
    expect(api.get(MACHINES, 'm').status).toBeUndefined();
  });

  test('the claim of an earlier run is found, so that it is released', async () => {
    api.put(MACHINES, machine({ metadata: { finalizers: [FINALIZER_MACHINE] } }));
    api.put(HOSTS, claimedHost('Armed'));
    await expect(cancelled()).resolves.toMatchObject({
      kind: 'claimed',
      claim: { isAdopted: true, ref: { host: 'h' } },
    });
  });
});
