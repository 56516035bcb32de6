import type { ChaosWorld } from './world.ts';

/** Ctrl-C and SIGTERM end every process of the world, then this one (130). The result ends that. */
export function stopOnSignal(world: ChaosWorld): () => void {
  const onSignal = () => void world.stop().finally(() => process.exit(130));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return () => void process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
}
