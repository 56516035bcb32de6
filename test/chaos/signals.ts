/** Ctrl-C and SIGTERM end every process of the run, then this one (130). The result ends that. */
export function stopOnSignal(run: { stop(): Promise<void> }): () => void {
  const onSignal = () => void run.stop().finally(() => process.exit(130));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return () => void process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
}
