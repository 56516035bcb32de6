import { rmSync } from 'node:fs';
import { HANDOFF, testControlPlane } from '../controlPlane.ts';
import teardownControlPlane from '../globalTeardown.ts';

export default async function globalTeardown(): Promise<void> {
  const auditLog = process.env[HANDOFF] === undefined ? undefined : testControlPlane().auditLog;
  await globalThis.beskar7CoreManager?.stop();
  globalThis.beskar7CoreManager = undefined;
  await teardownControlPlane();
  if (auditLog !== undefined) rmSync(auditLog, { force: true });
}
