import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { FailureType } from '../activities/failures.ts';
import { SKEW_TOLD_MS, type ClockSkew } from '../kube/clockSkew.ts';

/**
 * Lets no activity start while the clock of this process is wrong by 30 s or more: it would write deadlines that are
 * over, or skip the wait for a call in flight. The failure is retryable: another worker takes the step, or this one
 * later.
 */
export function clockGuard(clock: Pick<ClockSkew, 'problem'>): ActivityInterceptorsFactory {
  return () => ({
    inbound: {
      execute: (input, next) => {
        const problem = clock.problem();
        if (problem === undefined) return next(input);
        throw ApplicationFailure.create({
          type: 'ClockSkew' satisfies FailureType,
          message: `${problem}. Nothing was done; another worker executes this step, or this one when its clock is right`,
        });
      },
    },
  });
}

/** How often the clock is looked at for the log. */
const LOOK_MS = 10_000;
/** Interval at which a persistent warning is repeated. */
const REPEAT_MS = 10 * 60_000;

/**
 * Warns while the clock of this process is wrong by 5 s or more, and says when it is right again. Call what it gives to
 * end that.
 */
export function warnOfClock(
  clock: Pick<ClockSkew, 'problem' | 'skewMs'>,
  logger: Pick<Logger, 'warn' | 'info'>,
): () => void {
  let warnedAtMs: number | undefined;
  const timer = setInterval(() => {
    const problem = clock.problem(SKEW_TOLD_MS);
    if (problem === undefined) {
      if (warnedAtMs !== undefined) logger.info('the clock of this process agrees with that of the API server again');
      warnedAtMs = undefined;
    } else if (warnedAtMs === undefined || performance.now() - warnedAtMs >= REPEAT_MS) {
      warnedAtMs = performance.now();
      logger.warn({ skewMs: Math.round(clock.skewMs()) }, problem);
    }
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
