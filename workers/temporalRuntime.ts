import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

/** Temporal's SDK, once a process: it logs where we log, and serves the metrics of its core on a port of loopback. */
export function installTemporalRuntime(logger: Logger, metricsPort: number): void {
  const write = (level: 'trace' | 'debug' | 'info' | 'warn' | 'error') => (message: string, meta?: object) =>
    logger[level](withoutNoise(meta), message);
  Runtime.install({
    logger: {
      log: (level, message, meta) => logger[level.toLowerCase() as 'info'](withoutNoise(meta), message),
      trace: write('trace'),
      debug: write('debug'),
      // What activities say is wanted, the SDK's own chatter is not.
      info: (message, meta) => write(meta?.sdkComponent === 'activity' ? 'info' : 'debug')(message, meta),
      warn: write('warn'),
      error: write('error'),
    },
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'WARN' }), forward: {} },
      // Named as Prometheus wants it: seconds, and counters that end in _total.
      metrics: {
        prometheus: {
          bindAddress: `127.0.0.1:${metricsPort}`,
          countersTotalSuffix: true,
          unitSuffix: true,
          useSecondsForDurations: true,
        },
      },
    },
    shutdownSignals: [],
  });
}

/** Fields of the SDK that are useless in a log. */
function withoutNoise(meta: object = {}): object {
  const { taskToken: _taskToken, isLocal: _isLocal, ...rest } = meta as Record<string, unknown>;
  return rest;
}
