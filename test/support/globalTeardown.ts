import { rmSync } from 'node:fs';
import { HANDOFF, testControlPlane } from './controlPlane.ts';

export default async function globalTeardown(): Promise<void> {
  const plane = globalThis.beskar7ControlPlane;
  globalThis.beskar7ControlPlane = undefined;
  await plane?.stop();
  const file = process.env[HANDOFF];
  if (!file) return;
  rmSync(testControlPlane().auditLog, { force: true });
  rmSync(file, { force: true });
}
