import { rm } from 'node:fs/promises';
import path from 'node:path';
import { BUNDLE } from './globalSetup.ts';

export default async function globalTeardown(): Promise<void> {
  const file = process.env[BUNDLE];
  if (file === undefined) return;
  delete process.env[BUNDLE];
  await rm(path.dirname(file), { recursive: true, force: true });
}
