import { afterEach, describe, expect, test } from '@jest/globals';
import { LiveList } from '../../../bench/liveList.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { HOSTS } from '../../../kube/resource.ts';
import type { WatchEvent } from '../../../kube/watchStream.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';

function host(name: string, resourceVersion: string): PhysicalHost {
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion },
    spec: { redfishConnection: { address: 'http://127.0.0.1:1', credentialsSecretRef: 's' } },
  };
}

type Script = (WatchEvent<PhysicalHost> | Error)[];

/** A client whose lists and watches are as scripted; a watch that has told all of its script stays open. */
function scripted(lists: PhysicalHost[][], watches: Script[]) {
  const watchedFrom: string[] = [];
  const client = {
    list: async () => ({ items: lists.shift() ?? [], resourceVersion: `list-${lists.length}` }),
    watch: async function* (_: unknown, options: { resourceVersion: string; signal: AbortSignal }) {
      watchedFrom.push(options.resourceVersion);
      for (const step of watches.shift() ?? []) {
        if (step instanceof Error) throw step;
        yield step;
      }
      await new Promise((_resolve, reject) => {
        options.signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
    },
  };
  return { client: client as unknown as KubeClient, watchedFrom };
}

const signal = new AbortController().signal;
let list: LiveList<PhysicalHost> | undefined;

afterEach(async () => {
  await list?.stop();
});

describe('a live list', () => {
  test('follows what is added, changed and deleted', async () => {
    const { client } = scripted(
      [[host('a', '1')]],
      [
        [
          { type: 'ADDED', object: host('b', '2') },
          { type: 'BOOKMARK', object: host('', '3') },
          { type: 'DELETED', object: host('a', '4') },
          { type: 'MODIFIED', object: host('b', '5') },
        ],
      ],
    );
    list = new LiveList(client, HOSTS, 'default');
    const seen: string[] = [];
    list.onChange((name, object) => seen.push(`${name} ${object?.metadata.resourceVersion ?? 'gone'}`));
    await list.start();
    const live = list;
    await expect(
      live.until(() => live.objects.get('b')?.metadata.resourceVersion === '5', 5_000, signal),
    ).resolves.toBe(true);
    expect(seen).toEqual(['a 1', 'b 2', 'a gone', 'b 5']);
    expect(live.interruptions).toBe(0);
  });

  test('lists again after a broken watch, tells what went meanwhile, and counts it', async () => {
    const { client, watchedFrom } = scripted(
      [[host('a', '1')], [host('b', '9')]],
      [[new Error('connection reset')], [{ type: 'ADDED', object: host('c', '10') }]],
    );
    list = new LiveList(client, HOSTS, 'default');
    await list.start();
    const live = list;
    await expect(live.until(() => live.objects.has('c'), 5_000, signal)).resolves.toBe(true);
    expect([...live.objects.keys()]).toEqual(['b', 'c']);
    expect(live.interruptions).toBe(1);
    expect(watchedFrom).toEqual(['list-1', 'list-0']);
  });

  test('a wait ends with its time, and with the signal', async () => {
    list = new LiveList(scripted([[]], []).client, HOSTS, 'default');
    await list.start();
    await expect(list.until(() => false, 1, signal)).resolves.toBe(false);
    const controller = new AbortController();
    const waiting = list.until(() => false, 60_000, controller.signal);
    controller.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
  });
});
