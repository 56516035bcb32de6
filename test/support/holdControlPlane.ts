import { HANDOFF } from './controlPlane.ts';

/**
 * A control plane for many runs of Jest: `node test/support/holdControlPlane.ts [capi]`. Prints `ready <file>` when it
 * serves, where the file is what the tests are told by the environment; a signal to end stops it in order.
 */
const isUnderClusterApi = process.argv[2] === 'capi';
const { default: start } = await (isUnderClusterApi ? import('./capi/globalSetup.ts') : import('./globalSetup.ts'));
const { default: stop } = await (isUnderClusterApi
  ? import('./capi/globalTeardown.ts')
  : import('./globalTeardown.ts'));

let isStopping = false;
const onSignal = () => {
  if (isStopping) return;
  isStopping = true;
  void stop().finally(() => process.exit(0));
};
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);

await start();
process.stdout.write(`ready ${process.env[HANDOFF] ?? ''}\n`);
// Nothing else keeps it alive: its programs are watched over by a shell.
setInterval(() => undefined, 60_000);
