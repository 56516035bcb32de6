import { CancellationScope, condition, isCancellation, makeContinueAsNewFunc } from '@temporalio/workflow';
import { CurrentDetails } from './details.ts';
import { Inbox } from './inbox.ts';
import { monitorSettings } from '../contracts/messages.ts';
import type { MonitorInput, MonitorSettings } from '../contracts/names.ts';
import { monitoring } from './proxies.ts';
import { readMonitorInput, readMonitorSettings } from './readMessages.ts';

/** The activity ends by itself about each hour: a run continues as new once a day. */
const ACTIVITIES = 24;

/**
 * Watches over the BMCs of one shard of a pool of workers, for as long as the pool has hosts. All that happens is in
 * one long activity: there is no timer and no event per host. Result: a sentence for the operator.
 */
export async function monitorHosts(given: MonitorInput): Promise<string> {
  const input = readMonitorInput(given);
  const details = new CurrentDetails();
  const { pool, shard, shards, intervalMs } = input;
  let settings: MonitorSettings = { shards, intervalMs };
  const inbox = new Inbox(details);
  inbox.on(monitorSettings, readMonitorSettings, (latest) => void (settings = latest));
  const isChanged = () => settings.shards !== shards || settings.intervalMs !== intervalMs || inbox.isFull();
  const where = pool === undefined ? 'the hosts without a worker pool' : `the hosts of the worker pool ${pool}`;
  details.show(`**Watches** over shard ${shard} of ${shards} of ${where}, each every ${intervalMs / 1000} s.`);
  for (let count = 0; count < ACTIVITIES && !isChanged(); count += 1) {
    const scope = new CancellationScope();
    const summary = `Watches over shard ${shard} of ${shards} of ${where}`;
    const watching = scope.run(() => monitoring(pool).monitorShard.executeWithOptions({ summary }, [input]));
    const ended = watching.then(
      ({ kind }) => kind,
      (error: unknown) => {
        if (!isCancellation(error) || !isChanged()) throw error;
        return 'changed' as const;
      },
    );
    await Promise.race([ended, condition(isChanged)]);
    if (isChanged()) scope.cancel();
    if ((await ended) === 'noHosts') return `${where} are gone: nothing is left to watch over`;
  }
  if (shard >= settings.shards) return `there is no shard ${shard} any more: there are ${settings.shards}`;
  const next: MonitorInput = { ...input, ...settings };
  const goOn = makeContinueAsNewFunc<typeof monitorHosts>({ memo: { ...settings } });
  return goOn(next);
}
