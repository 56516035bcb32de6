import path from 'node:path';
import { startClusterApi } from '../../../tools/clusterapi/index.ts';
import { startTestControlPlane } from '../globalSetup.ts';

/** A control plane with the real core controllers of Cluster API. */
export default async function globalSetup(): Promise<void> {
  const auditLog = path.join(process.env.TMPDIR ?? '/tmp', `beskar7-audit-${process.pid}.log`);
  await startTestControlPlane({ auditLog }, async (plane) => {
    globalThis.beskar7CoreManager = await startClusterApi(plane);
  });
}
