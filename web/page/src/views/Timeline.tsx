import type { Step } from '../../../shared/api.ts';
import { Time } from '../components/Time.tsx';
import { clockTime, duration, relative } from '../format.ts';

const TONES: Record<Step['state'], string> = {
  done: 'good',
  running: 'Ready',
  waiting: 'warn',
  failed: 'bad',
  cancelled: 'quiet',
};
const WORDS: Record<Step['state'], string> = {
  done: '',
  running: 'running',
  waiting: 'waits',
  failed: 'failed',
  cancelled: 'cancelled',
};

interface Props {
  /** Oldest first. */
  readonly steps: readonly Step[];
  readonly missing: string | undefined;
  readonly now: number;
}

/**
 * The steps of a provisioning under each other: how long each took, where in the whole it lies, what went wrong in it.
 */
export function Timeline({ steps, missing, now }: Props) {
  if (steps.length === 0) return <p class="muted">{missing ?? 'It has not started.'}</p>;
  const begin = Math.min(...steps.map((step) => Date.parse(step.startedAt)));
  const end = Math.max(begin + 1, ...steps.map((step) => endOf(step, now)));
  const percent = (at: number) => (100 * (at - begin)) / (end - begin);
  return (
    <>
      <p class="muted">
        {clockTime(new Date(begin).toISOString(), now)} to{' '}
        {steps.some(isOpen) ? 'now' : clockTime(new Date(end).toISOString(), now)}, <b>{duration(end - begin)}</b> in
        all
      </p>
      {missing && <p class="note warn">{missing}</p>}
      <ol class="timeline">
        {steps.map((step) => {
          const from = Date.parse(step.startedAt);
          const until = endOf(step, now);
          return (
            <li class="step" key={step.id} data-tone={TONES[step.state]}>
              <span class="dot" />
              <span class="name">{step.name}</span>
              <span class="took">{duration(until - from)}</span>
              <span class="track" title={`from ${clockTime(step.startedAt, now)}`}>
                <i
                  style={{
                    left: `${Math.min(99, percent(from))}%`,
                    width: `${Math.max(0.6, percent(until) - percent(from))}%`,
                  }}
                />
              </span>
              {(step.detail || WORDS[step.state]) && (
                <span class="more">{[WORDS[step.state], step.detail].filter(Boolean).join(': ')}</span>
              )}
              {step.retries.map((retry, index) => (
                <span class="retry" key={index}>
                  attempt {index + 1}, <Time at={retry.at} now={now} as="clock" />: {retry.error}
                </span>
              ))}
              {step.bmcRequests && (
                <details class="more">
                  <summary>
                    {step.bmcRequests.length === 1 ? '1 request' : `${step.bmcRequests.length} requests`} to the BMC
                  </summary>
                  <pre>{step.bmcRequests.join('\n')}</pre>
                </details>
              )}
              {step.nextAttemptAt && isOpen(step) && (
                <span class="more">next attempt {relative(step.nextAttemptAt, now)}</span>
              )}
            </li>
          );
        })}
      </ol>
    </>
  );
}

function isOpen(step: Step): boolean {
  return step.endedAt === undefined;
}

function endOf(step: Step, now: number): number {
  return Math.max(Date.parse(step.startedAt), step.endedAt === undefined ? now : Date.parse(step.endedAt));
}
