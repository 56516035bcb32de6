import type { HostDetail } from '../../../shared/api.ts';
import { useNow } from '../clock.ts';
import { Actions } from '../components/Actions.tsx';
import { Loaded } from '../components/Loaded.tsx';
import { Conditions, Elsewhere, Events } from '../components/Panels.tsx';
import { StateBadge } from '../components/State.tsx';
import { Time } from '../components/Time.tsx';
import { useDetail } from '../data/useDetail.ts';
import { machineLink } from '../router.ts';
import { Reports } from '../report/Reports.tsx';

interface Props {
  readonly namespace: string;
  readonly name: string;
  /** Changes when this host's row in the stream changes. */
  readonly version: unknown;
}

/** One host: state, power, BMC, what is in it, and what can be done. */
export function HostView({ namespace, name, version }: Props) {
  const path = `api/hosts/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const [detail, again] = useDetail<HostDetail>(path, version);
  return (
    <Loaded detail={detail} what={`Host ${namespace}/${name}`} draw={(host) => <Drawn host={host} again={again} />} />
  );
}

function Drawn({ host, again }: { readonly host: HostDetail; readonly again: () => void }) {
  const now = useNow(1000);
  const { row } = host;
  return (
    <>
      <div class="title">
        <p class="crumb">
          <a href="#/hosts">Fleet</a> / {row.namespace}
        </p>
        <h1>{row.name}</h1>
        <StateBadge state={row.state} />
        <span class="badge">
          <span class="dot" data-tone={row.power === 'On' ? 'good' : 'quiet'} />
          Power {row.power ?? 'not known'}
        </span>
        <Actions actions={host.actions} of="hosts" object={row} done={again} />
      </div>
      {host.unschedulable !== undefined && (
        <p class="note warn said">Not claimed any more, by annotation: {host.unschedulable || 'no reason given'}</p>
      )}
      <div class="grid">
        <section class="card w4" aria-labelledby="h-host">
          <h2 id="h-host">Host</h2>
          <Facts host={host} />
        </section>
        <section class="card w8" aria-labelledby="h-bmc">
          <h2 id="h-bmc">BMC</h2>
          <Bmc host={host} now={now} />
        </section>
        <section class="card w12" aria-labelledby="h-report">
          <Reports reports={host.reports} now={now} phase={host.inspectionPhase} />
        </section>
        <section class="card w6" aria-labelledby="h-conditions">
          <h2 id="h-conditions">Conditions</h2>
          <Conditions conditions={host.conditions} now={now} />
        </section>
        <section class="card w6" aria-labelledby="h-events">
          <h2 id="h-events">Events</h2>
          <Events events={host.events} now={now} />
        </section>
        <section class="card w12" aria-labelledby="h-elsewhere">
          <h2 id="h-elsewhere">Commands</h2>
          <Elsewhere workflows={host.workflows} commands={host.commands} />
        </section>
      </div>
    </>
  );
}

function Facts({ host }: { readonly host: HostDetail }) {
  const { row, claim } = host;
  return (
    <dl class="facts">
      <dt>Consumer</dt>
      <dd>
        {row.consumer ? (
          <a href={machineLink(row.consumer.namespace, row.consumer.name)}>
            {row.consumer.namespace}/{row.consumer.name}
          </a>
        ) : (
          'free'
        )}
      </dd>
      {claim && (
        <>
          <dt>Claim</dt>
          <dd>
            {claim.stage}, attempt {claim.attempt}
          </dd>
        </>
      )}
      <dt>Model</dt>
      <dd>{[row.manufacturer, row.model].filter(Boolean).join(' ') || 'not known'}</dd>
      <dt>Serial</dt>
      <dd class="mono">{row.serial ?? 'not known'}</dd>
      <dt>Zone</dt>
      <dd>{row.zone ?? 'none'}</dd>
      <dt>MAC</dt>
      <dd class="mono">{row.macs.join(' ') || 'not known'}</dd>
      {host.addresses.length > 0 && (
        <>
          <dt>Addresses</dt>
          <dd class="mono">{host.addresses.join(' ')}</dd>
        </>
      )}
      {Object.keys(host.labels).length > 0 && (
        <>
          <dt>Labels</dt>
          <dd class="tags">
            {Object.entries(host.labels).map(([key, value]) => (
              <span class="tag" key={key}>
                {key}={value}
              </span>
            ))}
          </dd>
        </>
      )}
    </dl>
  );
}

function Bmc({ host: { bmc }, now }: { readonly host: HostDetail; readonly now: number }) {
  const isGood = bmc.reachable?.status === 'True';
  return (
    <div class="stack-s">
      <p>
        <span class="state">
          <span class="dot" data-tone={isGood ? 'good' : bmc.reachable ? 'bad' : 'quiet'} />
          <b>{bmc.reachable ? (isGood ? 'Answers' : bmc.reachable.reason) : 'Not contacted yet'}</b>
        </span>
        {bmc.reachable && (
          <span class="muted">
            {' '}
            since <Time at={bmc.reachable.lastTransitionTime} now={now} />
          </span>
        )}
      </p>
      {bmc.lastError && !isGood && <p class="note bad">{bmc.lastError}</p>}
      <dl class="facts">
        <dt>Address</dt>
        <dd class="mono">{bmc.address}</dd>
        {bmc.systemID && (
          <>
            <dt>System</dt>
            <dd class="mono">{bmc.systemID}</dd>
          </>
        )}
        <dt>Worker pool</dt>
        <dd>{bmc.workerPool ?? 'default'}</dd>
        {bmc.failedAttempts ? (
          <>
            <dt>Failed attempts</dt>
            <dd>{bmc.failedAttempts} in a row</dd>
          </>
        ) : null}
        {bmc.nextAttemptAt && (
          <>
            <dt>Next attempt</dt>
            <dd>
              <Time at={bmc.nextAttemptAt} now={now} /> (<Time at={bmc.nextAttemptAt} now={now} as="clock" />)
            </dd>
          </>
        )}
      </dl>
    </div>
  );
}
