import type { CommandLine, Condition, EventRow, WorkflowLink } from '../../../shared/api.ts';
import { CopyLine } from './CopyLine.tsx';
import { Time } from './Time.tsx';

/** Conditions with their reason and since when. */
export function Conditions({ conditions, now }: { readonly conditions: readonly Condition[]; readonly now: number }) {
  if (conditions.length === 0) return <p class="muted">No condition is set yet.</p>;
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Conditions">
      <table>
        <thead>
          <tr>
            <th scope="col">Condition</th>
            <th scope="col">Status</th>
            <th scope="col">Message</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {conditions.map((condition) => (
            <tr key={condition.type}>
              <td>{condition.type}</td>
              <td>{condition.status}</td>
              <td>
                <b>{condition.reason}</b>
                {condition.message && ` ${condition.message}`}
              </td>
              <td class="nowrap">
                <Time at={condition.lastTransitionTime} now={now} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Events of Kubernetes, newest first. */
export function Events({ events, now }: { readonly events: readonly EventRow[]; readonly now: number }) {
  if (events.length === 0) return <p class="muted">No events in the last hour: Kubernetes keeps them no longer.</p>;
  return (
    <table class="events">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Reason</th>
          <th scope="col">Message</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event, index) => (
          <tr key={`${event.at} ${event.reason} ${index}`}>
            <td>
              <Time at={event.at} now={now} />
            </td>
            <td>
              <span class="state">
                <span class="dot" data-tone={event.type === 'Warning' ? 'warn' : 'quiet'} />
                {event.type === 'Warning' && <span class="sr">Warning:</span>}
                {event.reason}
                {event.count > 1 && <span class="muted">×{event.count}</span>}
              </span>
            </td>
            <td>{event.message}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/**
 * The workflows behind an object, with links where the address of Temporal's UI is known, and the commands to take
 * along.
 */
export function Elsewhere({
  workflows,
  commands,
}: {
  readonly workflows: readonly WorkflowLink[];
  readonly commands: readonly CommandLine[];
}) {
  return (
    <div class="stack-s">
      {workflows.length > 0 && (
        <ul class="links">
          {workflows.map(({ text, url, workflowId }) => (
            <li key={workflowId}>
              {url ? (
                <a href={url} target="_blank" rel="noreferrer">
                  {text} in Temporal<span class="sr"> (opens another page)</span>
                </a>
              ) : (
                text
              )}{' '}
              <code class="muted">{workflowId}</code>
            </li>
          ))}
        </ul>
      )}
      <div>
        {commands.map(({ what, line }) => (
          <CopyLine key={line} what={what} line={line} />
        ))}
      </div>
    </div>
  );
}
