import { rmSync } from 'node:fs';
import { HANDOFF, testControlPlane } from './controlPlane.ts';

export default async function globalTeardown(): Promise<void> {
  const plane = globalThis.beskar7ControlPlane;
  // Another one's, that goes on.
  if (plane === undefined) return;
  globalThis.beskar7ControlPlane = undefined;
  await plane.stop();
  const file = process.env[HANDOFF];
  if (!file) return;
  delete process.env[HANDOFF];
  rmSync(testControlPlane(file).auditLog, { force: true });
  rmSync(file, { force: true });
}
