import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { release } from '../../model/claim.ts';
import type { Violation } from './records.ts';
import {
  allowReplacedConsumers,
  byGateway,
  byProxy,
  claimAnnotation,
  losingSignals,
  makeWaits,
  onClearedClaims,
  onHosts,
  sendReset,
  startRelease,
  writeHost,
} from './seeding.ts';
import { indexOf, until, type ChaosWorld } from './world.ts';

/**
 * A bug that Beskar7 does not have, made by the harness: by the proxy in front of the API server, the gateway of the
 * callbacks or the simulator, so that from outside it looks as if Beskar7 had it. The checker has to find it.
 */
export interface SeededBug {
  readonly name: string;
  readonly about: string;
  /** The rule that it breaks, and what the checker has to say. */
  readonly rule: Violation['rule'];
  readonly says: RegExp;
  /** Only Temporal's histories show it, which are read once it has worked for a while. */
  readonly isInHistories?: true;
  /** It changes what all worlds of a plant share: no other bug beside it. */
  readonly isAlone?: true;
  /** Switches it on, in a world that is thrown away afterwards; the result ends what would go on. */
  begin(world: ChaosWorld): Promise<() => Promise<void>>;
}

const HOST_PATH = /\/physicalhosts\/([^/?]+)(\/status)?/;
const MACHINE_PATH = /\/beskar7machines\/([^/?]+)(\/status)?/;

export const SEEDED_BUGS: readonly SeededBug[] = [
  {
    name: 'power-command-after-hand-over',
    about: 'a handed-over server gets a power command of its own claim',
    rule: 4,
    says: /was handed over at/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'HandedOver',
        (host, id) => sendReset(world, host, 'ForceOff', `beskar7 (${id})`),
      ),
  },
  {
    name: 'power-command-of-no-claim',
    about: 'a server is switched off for a claim that it never had',
    rule: 2,
    says: /was not the host's/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'Armed',
        (host) => sendReset(world, host, 'ForceOff', 'beskar7 (00000000-0000-4000-8000-000000000000)'),
      ),
  },
  {
    name: 'stranger-switched-off',
    about: 'another server answers behind the address of a host, and gets the power-off of its release',
    rule: 2,
    says: /the server there is STRANGER/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'Releasing',
        async (host, id) => {
          await world.fleet.hosts[indexOf(host)]?.fault({ swappedFor: 'STRANGER', forMs: 18_000 });
          // What was sent before is not what this is about. Beskar7 itself sends nothing meanwhile, so that the claim
          // stays.
          await delay(15_000);
          await sendReset(world, host, 'ForceOff', `beskar7 (${id})`);
        },
      ),
  },
  {
    name: 'release-without-power-off',
    about: 'a server is released while it runs',
    rule: 3,
    says: /was not off/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'Releasing',
        async (host) => world.fleet.hosts[indexOf(host)]?.fault({ liesOff: true, powerStuck: true, forMs: 8_000 }),
      ),
  },
  {
    name: 'report-acknowledged-and-dropped',
    about: 'a report is answered 202 and kept nowhere',
    rule: 5,
    says: /^inspection of claim .* is not on the host/,
    begin: (world) => byGateway(world, 'inspection'),
  },
  {
    name: 'token-outlives-its-claim',
    about: 'the Secret with the token is not deleted',
    rule: 7,
    says: /has outlived its claim/,
    begin: (world) =>
      byProxy(world, ({ method, path }) =>
        method === 'DELETE' && /\/secrets\/[^/?]+-boot-[^/?]+/.test(path)
          ? { kind: 'Status', status: 'Success' }
          : undefined,
      ),
  },
  {
    name: 'failure-without-a-reason',
    about: 'a machine is Failed with an empty message',
    rule: 9,
    says: /is Failed and does not say why/,
    begin: (world) =>
      byProxy(world, (asked) => {
        if (asked.method === 'PATCH' && MACHINE_PATH.test(asked.path) && asked.body.includes('"phase":"Failed"'))
          asked.body = Buffer.from(
            asked.body.toString('utf8').replaceAll(/"message":"(?:[^"\\]|\\.)*"/g, '"message":" "'),
          );
        return undefined;
      }),
  },
  {
    name: 'password-in-an-event',
    about: 'an event tells the password of a BMC',
    rule: 8,
    says: /password in events/,
    begin: (world) => {
      const [password = ''] = world.passwords;
      return byProxy(world, (asked) => {
        if (asked.method === 'POST' && asked.path.includes('/events'))
          asked.body = Buffer.from(asked.body.toString('utf8').replace(/"(note|message)":"/, `"$1":"${password} `));
        return undefined;
      });
    },
  },
  {
    name: 'failed-status-lost',
    about: 'the end of a run is not written to its machine',
    rule: 6,
    says: /is (FAILED|CANCELLED), its machine is/,
    begin: (world) =>
      byProxy(world, ({ method, path, body }) => {
        const name = MACHINE_PATH.exec(path)?.[1];
        const isEnd =
          method === 'PATCH' && (body.includes('"phase":"Failed"') || body.includes('"phase":"Provisioned"'));
        return isEnd ? world.kubernetes.machines.get(name ?? '') : undefined;
      }),
  },
  {
    name: 'finalizer-kept',
    about: 'the finalizer of a deleted machine is not removed',
    rule: 'end',
    says: /is still being deleted/,
    begin: (world) =>
      byProxy(world, ({ method, path, body }) => {
        const name = MACHINE_PATH.exec(path)?.[1];
        return method === 'PATCH' && body.includes('"finalizers":[]')
          ? world.kubernetes.machines.get(name ?? '')
          : undefined;
      }),
  },
  {
    name: 'claim-kept',
    about: 'the claim of a released host is not cleared: a leaked host',
    rule: 'end',
    says: /is claimed \(Releasing\)/,
    begin: (world) =>
      byProxy(world, ({ method, path, body }) => {
        const name = HOST_PATH.exec(path)?.[1];
        return method === 'PATCH' && body.includes('"consumerRef":null')
          ? world.kubernetes.hosts.get(name ?? '')
          : undefined;
      }),
  },
  {
    name: 'live-server-released',
    about: 'a handed-over server is released, and its machine is there',
    rule: 4,
    says: /is released, and machine .* is not deleted/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'HandedOver',
        (host) =>
          writeHost(world, host, (_host, claim) => ({
            metadata: claim.stage === 'Releasing' ? {} : claimAnnotation(release(claim, 'a seeded bug')),
          })),
      ),
  },
  {
    name: 'inherited-host',
    about: 'a machine of another uid gets the claim of the one before',
    rule: 1,
    says: /of another uid has the claim/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'Armed',
        (host) => writeHost(world, host, () => ({ spec: { consumerRef: { uid: randomUUID() } } })),
      ),
  },
  {
    name: 'stale-power-command',
    about: 'a worker without a fence wakes up, and switches off a server whose claim has ended',
    rule: 2,
    says: /its claim was cleared/,
    begin: (world) =>
      onClearedClaims(world, 5_000, (host, id) => sendReset(world, host, 'ForceOff', `beskar7 (${id})`)),
  },
  {
    name: 'second-power-cycle',
    about: 'two workers boot the same server one after the other',
    rule: 2,
    says: /has power-cycled its server/,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'Armed',
        async (host) => {
          const { server } = world.fleet.hosts[indexOf(host)] ?? {};
          const becomes = (power: string) =>
            until(`${host} is ${power}`, 5_000, () => (server?.state.power === power ? undefined : 'not yet'));
          await becomes('On');
          server?.reset('ForceOff');
          await becomes('Off');
          server?.reset('On');
        },
      ),
  },
  {
    name: 'two-runs-release-one-host',
    about: 'a second run begins to release a host while the first is at it still',
    rule: 6,
    says: /^second-release\/.* it releases a host itself, which is the work of release\//,
    isInHistories: true,
    begin: (world) =>
      onHosts(
        world,
        ({ stage }) => stage === 'Releasing',
        async (host, id) => {
          await world.fleet.hosts[indexOf(host)]?.fault({ powerOffMs: 6_000, forMs: 8_000 });
          await startRelease(world, host, id);
        },
      ),
  },
  {
    name: 'override-left-behind',
    about: 'the boot override is set when the claim is cleared',
    rule: 3,
    says: /with its boot override still set/,
    begin: (world) =>
      byProxy(world, ({ method, path, body }) => {
        const name = HOST_PATH.exec(path)?.[1];
        const { server } = world.fleet.hosts[indexOf(name ?? '')] ?? {};
        if (server && method === 'PATCH' && body.includes('"consumerRef":null'))
          Object.assign(server.override, { target: 'Pxe', enabled: 'Once' });
        return undefined;
      }),
  },
  {
    name: 'hand-over-acknowledged-and-dropped',
    about: 'a hand-over is answered 202 and kept nowhere',
    rule: 5,
    says: /^provisioned of claim .* is not on the host/,
    begin: (world) => byGateway(world, 'provisioned'),
  },
  {
    name: 'dropped-signal',
    about: 'the signal that a report is there reaches no run',
    rule: 5,
    says: /its run has not gone on/,
    begin: (world) => losingSignals(world, 'inspectionReported'),
  },
  {
    name: 'lost-wake',
    about: 'who waits for a host is not told of one that is free',
    rule: 'end',
    says: /waits for a host, and .* is free and fits/,
    begin: async (world) => {
      const end = await losingSignals(world, 'hostAvailable');
      const endWaits = makeWaits(world);
      return async () => {
        await endWaits();
        await end();
      };
    },
  },
  {
    name: 'hidden-backoff',
    about: 'a release that fails does not say when it is tried again',
    rule: 9,
    says: /does not say what comes next/,
    begin: async (world) => {
      const end = await onHosts(
        world,
        ({ stage }) => stage === 'Releasing',
        async (host) => world.fleet.hosts[indexOf(host)]?.fault({ refuse: true, forMs: 5_000 }),
      );
      const endProxy = await byProxy(world, (asked) => {
        if (asked.method === 'PATCH' && HOST_PATH.test(asked.path) && asked.body.includes('"state":"Error"'))
          asked.body = Buffer.from(
            asked.body.toString('utf8').replaceAll(/next attempt at [0-9TZ:.-]+/g, 'it is tried again'),
          );
        return undefined;
      });
      return async () => {
        await end();
        await endProxy();
      };
    },
  },
  {
    name: 'claim-without-precondition',
    about: 'a host is claimed by a write that does not ask whether it is free still',
    rule: 1,
    says: /was replaced by/,
    isAlone: true,
    begin: async (world) => {
      await allowReplacedConsumers(world);
      world.proxy.delayWatchesMs = 4_000;
      const end = await byProxy(world, (asked) => {
        if (asked.method === 'PATCH' && HOST_PATH.test(asked.path) && asked.body.includes('\\"stage\\":\\"Claimed\\"'))
          asked.body = withoutVersion(asked.body);
        return undefined;
      });
      return async () => {
        world.proxy.delayWatchesMs = 0;
        await end();
      };
    },
  },
];

/** A patch that does not ask for the version of what it changes. */
function withoutVersion(body: Buffer): Buffer {
  const { metadata, ...patch } = JSON.parse(body.toString('utf8')) as { metadata: { resourceVersion?: string } };
  const { resourceVersion: _version, ...rest } = metadata;
  return Buffer.from(JSON.stringify({ ...patch, metadata: rest }));
}
