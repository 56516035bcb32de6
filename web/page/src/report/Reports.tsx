import { useState } from 'preact/hooks';
import type { StoredReport } from '../../../shared/api.ts';
import { clockTime } from '../format.ts';
import { DiffView } from './DiffView.tsx';
import { ReportView } from './ReportView.tsx';

interface Props {
  /** Newest first. */
  readonly reports: readonly StoredReport[];
  readonly now: number;
  /** Where the inspection is, for the sentence while there is no report. */
  readonly phase: string | undefined;
}

/** The inspection report drawn; earlier ones by choice, and what changed between two. */
export function Reports({ reports, now, phase }: Props) {
  const [shownId, setShown] = useState('');
  const [otherId, setOther] = useState('');
  const shown = reports.find(({ id }) => id === shownId) ?? reports[0];
  const others = reports.filter((report) => report !== shown);
  const other = others.find(({ id }) => id === otherId);
  const name = (report: StoredReport) => `${clockTime(report.at, now)}${report === reports[0] ? ' (newest)' : ''}`;
  return (
    <>
      <div class="card-head">
        <h2 id="h-report">Hardware</h2>
        {shown && <span class="muted">inspected {clockTime(shown.at, now)}</span>}
        {reports.length > 1 && shown && (
          <div class="end pick">
            <label>
              <span class="muted">Report</span>{' '}
              <select value={shown.id} onChange={(event) => setShown(event.currentTarget.value)}>
                {reports.map((report) => (
                  <option key={report.id} value={report.id}>
                    {name(report)}
                  </option>
                ))}
              </select>
            </label>
            <label>
              <span class="muted">compare with</span>{' '}
              <select value={other?.id ?? ''} onChange={(event) => setOther(event.currentTarget.value)}>
                <option value="">none</option>
                {others.map((report) => (
                  <option key={report.id} value={report.id}>
                    {name(report)}
                  </option>
                ))}
              </select>
            </label>
          </div>
        )}
      </div>
      {!shown ? (
        <p class="muted">
          No report yet{phase ? `: inspection ${phase}` : ''}. The first one comes when a machine claims this host and
          its inspection image boots.
        </p>
      ) : other ? (
        <DiffView
          before={(other.at < shown.at ? other : shown).report}
          after={(other.at < shown.at ? shown : other).report}
        />
      ) : (
        <ReportView report={shown.report} />
      )}
    </>
  );
}
