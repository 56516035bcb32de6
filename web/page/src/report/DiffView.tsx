import { diffReports, type Change } from '../../../shared/reportDiff.ts';
import type { InspectionReport } from './types.ts';

/** What changed between two reports of a host, as a table that says it in words and not by colour only. */
export function DiffView({ before, after }: { before: InspectionReport; after: InspectionReport }) {
  const changes = diffReports(before, after);
  if (changes.length === 0) return <p class="note good">The two reports show the same hardware.</p>;
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Differences">
      <table class="diff">
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col">What</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((change) => (
            <tr key={`${change.group} ${change.what}`} data-tone={tone(change)}>
              <td>{change.group}</td>
              <td class="mono">{change.what}</td>
              <td>{change.before ?? <span class="muted">was not there</span>}</td>
              <td>{change.after ?? <span class="muted">is gone</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function tone({ before, after }: Change): string {
  if (before === undefined) return 'good';
  return after === undefined ? 'bad' : 'warn';
}
