import { describe, expect, test } from '@jest/globals';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Next, ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { KubeError } from '../../../kube/error.ts';
import { installationGuard } from '../../../workers/installationGuard.ts';
import { installationOf } from '../../../workers/installation.ts';
import { INSTALLATION_HEADER } from '../../../contracts/names.ts';

const ALL = { clusterId: undefined, namespace: undefined, watchFilter: undefined };
const answers = (uid: string) => ({ get: () => Promise.resolve({ metadata: { name: 'kube-system', uid } }) as never });
const refuses = (status: number) => ({
  get: () =>
    Promise.reject(
      new KubeError(
        { verb: 'get', resource: 'namespaces', name: 'kube-system' },
        { status, reason: 'Forbidden', message: 'no' },
      ),
    ),
});

describe('an installation', () => {
  test('is a cluster with a watch scope', async () => {
    expect(await installationOf(answers('u-1'), ALL)).toEqual({ id: 'u-1::' });
    expect(await installationOf(answers('u-1'), { ...ALL, namespace: 'a', watchFilter: 'b' })).toEqual({
      id: 'u-1:a:b',
    });
    expect(await installationOf(refuses(403), { ...ALL, clusterId: 'east' })).toEqual({ id: 'east::' });
  });

  test.each([403, 404])('kube-system answers %s: one line that says what to do', async (status) => {
    const error = await installationOf(refuses(status), ALL).then(() => '', String);
    expect(error).toMatch(/^[^\n]*deploy\/manifests\/rbac\.yaml[^\n]*--cluster-id$/);
  });

  test('an API server that is away is no answer', async () => {
    await expect(installationOf(refuses(0), ALL)).rejects.toBeInstanceOf(KubeError);
  });
});

describe('the guard of activities', () => {
  const run = async (isOwner: boolean, header: unknown): Promise<unknown> => {
    const { inbound } = installationGuard('cluster-1::', () => isOwner)({} as never);
    const next: Next<ActivityInboundCallsInterceptor, 'execute'> = () => Promise.resolve('done');
    const headers =
      header === undefined
        ? {}
        : {
            [INSTALLATION_HEADER]:
              header instanceof Uint8Array ? { data: header } : defaultPayloadConverter.toPayload(header),
          };
    return (async () => inbound?.execute?.({ args: [], headers } as never, next))();
  };

  test('a run of this installation is worked on', async () => {
    await expect(run(true, 'cluster-1::')).resolves.toBe('done');
    await expect(run(false, 'cluster-1::')).resolves.toBe('done');
  });

  test.each([['cluster-2::'], ['cluster-1:team-a:'], [undefined], [7], [new Uint8Array([1])]])(
    'a run of %p is not: it ends where the namespace is ours, and is left to its own workers where nobody knows',
    async (header) => {
      await expect(run(true, header)).rejects.toMatchObject({ type: 'OtherInstallation', nonRetryable: true });
      await expect(run(false, header)).rejects.toMatchObject({ type: 'OtherInstallation', nonRetryable: false });
    },
  );
});
