import { startClusterApi } from '../../../tools/clusterapi/index.ts';
import { startTestControlPlane } from '../globalSetup.ts';

/** A control plane with the real core controllers of Cluster API. */
export default async function globalSetup(): Promise<void> {
  await startTestControlPlane(async (plane) => {
    globalThis.beskar7CoreManager = await startClusterApi(plane);
  });
}
