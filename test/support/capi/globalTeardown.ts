import teardownControlPlane from '../globalTeardown.ts';

export default async function globalTeardown(): Promise<void> {
  await globalThis.beskar7CoreManager?.stop();
  globalThis.beskar7CoreManager = undefined;
  await teardownControlPlane();
}
