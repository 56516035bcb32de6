import { startClusterApi } from '../../../tools/clusterapi/index.ts';
import { HANDOFF } from '../controlPlane.ts';
import { startTestControlPlane } from '../globalSetup.ts';

/**
 * A control plane with the real core controllers of Cluster API; none where `npm test` names one in the environment.
 */
export default async function globalSetup(): Promise<void> {
  if (process.env[HANDOFF] !== undefined) return;
  await startTestControlPlane(async (plane) => {
    globalThis.beskar7CoreManager = await startClusterApi(plane);
  });
}
