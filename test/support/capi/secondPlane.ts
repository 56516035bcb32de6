import { rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startClusterApi } from '../../../tools/clusterapi/index.ts';
import { startControlPlane } from '../../../tools/controlplane/index.ts';
import { beskar7Kubeconfig, kubectl } from '../../../tools/controlplane/install.ts';
import { ACCOUNTS, type TestControlPlane } from '../controlPlane.ts';
import { Clusterctl } from './clusterctl.ts';

/** What `clusterctl init` is told. */
export const INIT = [
  'init',
  '--core=cluster-api',
  '--bootstrap=kubeadm',
  '--control-plane=kubeadm',
  '--infrastructure=beskar7',
];
export const INIT_VARIABLES = {
  BESKAR7_CALLBACK_URL: 'https://10.0.0.1:8082',
  TEMPORAL_ADDRESS: 'temporal.example:7233',
};

export interface SecondPlane {
  readonly plane: TestControlPlane;
  stop(): Promise<void>;
}

/**
 * Another management cluster: API server, Temporal and core manager of its own, Beskar7's part installed by `clusterctl
 * init` and nothing else.
 */
export async function startSecondPlane(first: TestControlPlane): Promise<SecondPlane> {
  const auditLog = path.join(os.tmpdir(), `beskar7-audit-second-${process.pid}.log`);
  const plane = await startControlPlane({ auditLogPath: auditLog, auditUsers: ACCOUNTS });
  try {
    const manager = await startClusterApi(plane);
    const stop = async () => {
      await manager.stop();
      await plane.stop();
      rmSync(auditLog, { force: true });
    };
    try {
      const clusterctl = await Clusterctl.make(plane);
      await clusterctl.run([...INIT, `--kubeconfig=${plane.adminKubeconfig}`], INIT_VARIABLES);
      clusterctl.remove();
      // The tests run every role in one process; clusterctl installs an account for each.
      await kubectl(
        plane,
        'apply',
        '--server-side',
        '-f',
        path.join('deploy', 'manifests', 'all-in-one', 'account.yaml'),
      );
      const { adminKubeconfig, temporalAddress, temporalCli, apiServerUrl, dataFolder } = plane;
      return {
        plane: {
          adminKubeconfig,
          serviceAccountKubeconfig: await beskar7Kubeconfig(plane),
          temporalAddress,
          kubectl: plane.kubectl,
          temporalCli,
          apiServerUrl,
          dataFolder,
          workflowBundle: first.workflowBundle,
          auditLog,
        },
        stop,
      };
    } catch (error) {
      await manager.stop();
      throw error;
    }
  } catch (error) {
    await plane.stop();
    throw error;
  }
}
