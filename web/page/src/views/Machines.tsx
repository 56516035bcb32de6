import { useMemo } from 'preact/hooks';
import type { MachineRow } from '../../../shared/api.ts';
import { useNow } from '../clock.ts';
import { State } from '../components/State.tsx';
import { useIsNarrow } from '../components/useIsNarrow.ts';
import { VirtualRows } from '../components/VirtualRows.tsx';
import { countBy, matchingMachines } from '../data/filter.ts';
import type { Fleet } from '../data/live.ts';
import { keyOf } from '../data/sortedRows.ts';
import { coarse, count, fullTime, plural } from '../format.ts';
import { hostLink, machineLink } from '../router.ts';
import { filterOf, ListFilter } from './ListFilter.tsx';

const PHASES = ['Failed', 'Pending', 'Claiming', 'Inspecting', 'Validating', 'Provisioning', 'Provisioned'] as const;

/** All machines: where each one is, and why. */
export function MachinesView({ fleet, search }: { readonly fleet: Fleet; readonly search: URLSearchParams }) {
  const { chosen, text } = filterOf(search);
  const isNarrow = useIsNarrow();
  const now = useNow(5000);
  const found = useMemo(() => matchingMachines(fleet.machines, text), [fleet.machines, text]);
  const counts = useMemo(() => countBy(found, (row) => row.phase), [found]);
  const phases = [...chosen].join();
  const rows = useMemo(
    () => (chosen.size === 0 ? found : found.filter((row) => chosen.has(row.phase))),
    [found, phases],
  );
  return (
    <>
      <div class="title">
        <h1>Machines</h1>
        <span class="muted" role="status">
          {fleet.isLoaded
            ? rows.length === fleet.machines.length
              ? plural(rows.length, 'machine')
              : `${count(rows.length)} of ${plural(fleet.machines.length, 'machine')}`
            : 'reading …'}
        </span>
      </div>
      <ListFilter
        list="machines"
        states={PHASES}
        counts={counts}
        chosen={chosen}
        text={text}
        placeholder="Name, host, zone, reason   ( / )"
      />
      {fleet.isLoaded && rows.length === 0 ? (
        <p class="card empty">
          {fleet.machines.length === 0 ? 'There is no Beskar7Machine yet.' : 'No machine fits this filter.'}
        </p>
      ) : (
        <div class="machines">
          <VirtualRows
            rows={rows}
            rowHeight={isNarrow ? 62 : 30}
            keyOf={keyOf}
            label="Machines"
            columns={6}
            head={['Phase', 'Name', 'Host', 'Zone', 'Why', 'Since'].map((name) => (
              <span role="columnheader" key={name}>
                {name}
              </span>
            ))}
            draw={(row) => <Cells row={row} now={now} />}
          />
        </div>
      )}
    </>
  );
}

function Cells({ row, now }: { readonly row: MachineRow; readonly now: number }) {
  const why = [row.alarm, row.reason === row.alarm ? undefined : row.reason, row.message].filter(Boolean).join(': ');
  return (
    <>
      <span role="cell" class="c-state">
        <State state={row.phase} alarm={row.alarm} isDeleting={row.isDeleting} />
      </span>
      <span role="cell" class="c-name">
        <a href={machineLink(row.namespace, row.name)} title={keyOf(row)}>
          {row.name}
        </a>
      </span>
      <span role="cell" class="c-side">
        {row.host ? <a href={hostLink(row.host.namespace, row.host.name)}>{row.host.name}</a> : <span>–</span>}
      </span>
      <span role="cell" class="c-wide">
        {row.zone ?? '–'}
      </span>
      <span role="cell" class="c-sub" title={why}>
        {why || '–'}
      </span>
      <span role="cell" class="c-wide" title={fullTime(row.since)}>
        {coarse(Math.max(0, now - Date.parse(row.since)))}
      </span>
    </>
  );
}
