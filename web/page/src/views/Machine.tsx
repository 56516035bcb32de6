import { useEffect } from 'preact/hooks';
import type { MachineDetail } from '../../../shared/api.ts';
import { useNow } from '../clock.ts';
import { Actions } from '../components/Actions.tsx';
import { Loaded } from '../components/Loaded.tsx';
import { Conditions, Elsewhere, Events } from '../components/Panels.tsx';
import { StateBadge } from '../components/State.tsx';
import { Time } from '../components/Time.tsx';
import { useDetail } from '../data/useDetail.ts';
import { duration } from '../format.ts';
import { hostLink } from '../router.ts';
import { Requirements } from './Requirements.tsx';
import { Timeline } from './Timeline.tsx';

/** How often the steps are read again while one of them is open. */
const REFRESH_MS = 5000;

interface Props {
  readonly namespace: string;
  readonly name: string;
  /** Changes when this machine's row, or its host's, in the stream changes. */
  readonly version: unknown;
}

/** One machine: its provisioning as a timeline, what it waits for, and what can be done. */
export function MachineView({ namespace, name, version }: Props) {
  const path = `api/machines/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const [detail, again] = useDetail<MachineDetail>(path, version);
  const isUnderWay = detail.kind === 'here' && detail.data.steps.some((step) => step.endedAt === undefined);
  useEffect(() => {
    // The stream tells of objects; an activity that fails and is tried again is in Temporal only.
    if (!isUnderWay) return;
    const timer = setInterval(() => {
      if (!document.hidden) again();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [isUnderWay]);
  return (
    <Loaded
      detail={detail}
      what={`Machine ${namespace}/${name}`}
      draw={(machine) => <Drawn machine={machine} again={again} />}
    />
  );
}

function Drawn({ machine, again }: { readonly machine: MachineDetail; readonly again: () => void }) {
  const now = useNow(1000);
  const { row, waiting } = machine;
  return (
    <>
      <div class="title">
        <p class="crumb">
          <a href="#/machines">Machines</a> / {row.namespace}
        </p>
        <h1>{row.name}</h1>
        <StateBadge state={row.phase} />
        <Actions actions={machine.actions} of="machines" object={row} done={again} />
      </div>
      {waiting && (
        <p class="note warn waiting">
          <strong>Waits:</strong> {waiting.text}, for {duration(now - Date.parse(waiting.since))}
          {waiting.deadline && (
            <>
              , until <Time at={waiting.deadline} now={now} as="clock" /> at most
            </>
          )}
        </p>
      )}
      {row.phase === 'Failed' && (
        <p class="note bad waiting">
          <strong>{row.reason ?? 'Failed'}:</strong> {row.message}
        </p>
      )}
      <div class="grid">
        <section class="card w8" aria-labelledby="m-timeline">
          <h2 id="m-timeline">Provisioning</h2>
          <Timeline steps={machine.steps} missing={machine.stepsMissing} now={now} />
        </section>
        <div class="stack w4">
          <section class="card" aria-labelledby="m-facts">
            <h2 id="m-facts">Machine</h2>
            <Facts machine={machine} now={now} />
          </section>
          <section class="card" aria-labelledby="m-requirements">
            <h2 id="m-requirements">Requested hardware</h2>
            <Requirements requirements={machine.requirements} />
          </section>
        </div>
        <section class="card w6" aria-labelledby="m-conditions">
          <h2 id="m-conditions">Conditions</h2>
          <Conditions conditions={machine.conditions} now={now} />
        </section>
        <section class="card w6" aria-labelledby="m-events">
          <h2 id="m-events">Events</h2>
          <Events events={machine.events} now={now} />
        </section>
        <section class="card w12" aria-labelledby="m-elsewhere">
          <h2 id="m-elsewhere">Commands</h2>
          <Elsewhere workflows={machine.workflows} commands={machine.commands} />
        </section>
      </div>
    </>
  );
}

function Facts({ machine, now }: { readonly machine: MachineDetail; readonly now: number }) {
  const { row } = machine;
  return (
    <dl class="facts">
      <dt>Host</dt>
      <dd>
        {row.host ? (
          <a href={hostLink(row.host.namespace, row.host.name)}>{row.host.name}</a>
        ) : row.phase === 'Failed' ? (
          'none'
        ) : (
          'none yet'
        )}
      </dd>
      <dt>In this phase</dt>
      <dd>
        since <Time at={row.since} now={now} as="clock" />
      </dd>
      {machine.attempts !== undefined && machine.attempts > 1 && (
        <>
          <dt>Attempt</dt>
          <dd>
            {machine.attempt ?? 1} of {machine.attempts}
          </dd>
        </>
      )}
      <dt>Zone</dt>
      <dd>{row.zone ?? 'any'}</dd>
      <dt>Image</dt>
      <dd class="mono">{machine.targetOSImage}</dd>
      {machine.providerID && (
        <>
          <dt>Provider ID</dt>
          <dd class="mono">{machine.providerID}</dd>
        </>
      )}
    </dl>
  );
}
