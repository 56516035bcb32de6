import type { Failures } from '../../../shared/api.ts';
import { DurationBars } from '../charts/DurationBars.tsx';
import { StackedColumns } from '../charts/StackedColumns.tsx';
import { useNow } from '../clock.ts';
import { Loaded } from '../components/Loaded.tsx';
import { Time } from '../components/Time.tsx';
import { useDetail } from '../data/useDetail.ts';
import { clockTime, count, duration } from '../format.ts';
import { machineLink } from '../router.ts';

/** Series in the chart at most; what is rarer is `others`. */
const MAX_SERIES = 8;

/** What fails, how often, since when; and how long the steps take. `version` changes when a machine changed. */
export function FailuresView({ version }: { readonly version: unknown }) {
  const [detail] = useDetail<Failures>('api/failures', version);
  return <Loaded detail={detail} what="Failures" draw={(failures) => <Drawn failures={failures} />} />;
}

function Drawn({ failures }: { readonly failures: Failures }) {
  const now = useNow(5000);
  const total = failures.reasons.reduce((sum, { count }) => sum + count, 0);
  return (
    <>
      <div class="title">
        <h1>Failures</h1>
        <span class="muted">{failures.covers}</span>
      </div>
      <div class="grid">
        <section class="card w12" aria-labelledby="f-time">
          <h2 id="f-time">By reason over time</h2>
          {total === 0 ? <p class="note good">Nothing failed.</p> : <OverTime failures={failures} now={now} />}
        </section>
        <section class="card w6" aria-labelledby="f-reasons">
          <h2 id="f-reasons">Reasons</h2>
          <Reasons failures={failures} now={now} />
        </section>
        <section class="card w6" aria-labelledby="f-durations">
          <h2 id="f-durations">How long each step takes</h2>
          <Durations failures={failures} />
        </section>
      </div>
    </>
  );
}

function OverTime({
  failures: { buckets, bucketMs, reasons },
  now,
}: {
  readonly failures: Failures;
  readonly now: number;
}) {
  const named = reasons.map(({ reason }) => reason);
  const isFolded = named.length > MAX_SERIES;
  const series = isFolded ? [...named.slice(0, MAX_SERIES - 1), 'others'] : named;
  const folded = isFolded ? named.slice(MAX_SERIES - 1) : [];
  const columns = buckets.map(({ at, byReason }) => ({
    label: bucketMs >= 86_400_000 ? at.slice(5, 10) : clockTime(at, Date.parse(at)).slice(0, 5),
    hint: clockTime(at, now),
    values: series.map((name) =>
      name === 'others' && isFolded
        ? folded.reduce((sum, reason) => sum + (byReason[reason] ?? 0), 0)
        : (byReason[name] ?? 0),
    ),
  }));
  return (
    <div class="stack-s">
      <StackedColumns
        label={`Failures in each span of ${duration(bucketMs)}, by reason; the table of reasons has the sums`}
        series={series}
        columns={columns}
      />
      <ul class="legend" aria-hidden="true">
        {series.map((name, index) => (
          <li key={name}>
            <i class={`c${index % 8}`} />
            {name}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Reasons({ failures: { reasons }, now }: { readonly failures: Failures; readonly now: number }) {
  if (reasons.length === 0) return <p class="muted">None.</p>;
  return (
    <table class="reasons">
      <thead>
        <tr>
          <th scope="col">Reason</th>
          <th scope="col" class="right">
            Times
          </th>
          <th scope="col">Latest</th>
        </tr>
      </thead>
      <tbody>
        {reasons.map((entry) => (
          <tr key={entry.reason}>
            <td>
              <b>{entry.reason}</b>
            </td>
            <td class="right">{count(entry.count)}</td>
            <td>
              <a href={machineLink(entry.lastMachine.namespace, entry.lastMachine.name)}>{entry.lastMachine.name}</a>,{' '}
              <Time at={entry.lastAt} now={now} />
              <div class="muted">{entry.lastMessage}</div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Durations({ failures: { durations } }: { readonly failures: Failures }) {
  if (durations.length === 0) return <p class="muted">Nothing was provisioned yet.</p>;
  const rows = durations.map(({ step, ...rest }) => ({ name: step, ...rest }));
  return (
    <div class="stack-s">
      <DurationBars label="Durations by step; the table below has the figures" rows={rows} />
      <p class="legend">
        <span>
          <i class="c0" />
          median
        </span>
        <span>pale: 95 % within</span>
        <span>line: the longest</span>
      </p>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Durations as a table">
        <table>
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Times</th>
              <th scope="col">Median</th>
              <th scope="col">95 %</th>
              <th scope="col">Longest</th>
            </tr>
          </thead>
          <tbody>
            {durations.map((entry) => (
              <tr key={entry.step}>
                <td>{entry.step}</td>
                <td>{count(entry.count)}</td>
                <td class="nowrap">{duration(entry.p50Ms)}</td>
                <td class="nowrap">{duration(entry.p95Ms)}</td>
                <td class="nowrap">{duration(entry.maxMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
