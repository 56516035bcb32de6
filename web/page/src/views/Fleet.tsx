import { useMemo } from 'preact/hooks';
import type { HostRow } from '../../../shared/api.ts';
import { State } from '../components/State.tsx';
import { VirtualRows } from '../components/VirtualRows.tsx';
import { countBy, matchingHosts } from '../data/filter.ts';
import type { Fleet } from '../data/live.ts';
import { keyOf } from '../data/sortedRows.ts';
import { count, plural } from '../format.ts';
import { hostLink, machineLink } from '../router.ts';
import { useIsNarrow } from '../components/useIsNarrow.ts';
import { filterOf, ListFilter } from './ListFilter.tsx';

const STATES = ['Error', 'Enrolling', 'Available', 'InUse', 'Inspecting', 'Ready'] as const;

/** All hosts: counts that filter, search, and the list, live. */
export function FleetView({ fleet, search }: { readonly fleet: Fleet; readonly search: URLSearchParams }) {
  const { chosen, text } = filterOf(search);
  const isNarrow = useIsNarrow();
  const found = useMemo(() => matchingHosts(fleet.hosts, text), [fleet.hosts, text]);
  const counts = useMemo(() => countBy(found, (row) => row.state), [found]);
  const states = [...chosen].join();
  const rows = useMemo(
    () => (chosen.size === 0 ? found : found.filter((row) => chosen.has(row.state))),
    [found, states],
  );
  const silent = useMemo(() => fleet.hosts.filter(isSilent).length, [fleet.hosts]);
  return (
    <>
      <div class="title">
        <h1>Fleet</h1>
        <span class="muted" role="status">
          {fleet.isLoaded
            ? rows.length === fleet.hosts.length
              ? plural(rows.length, 'host')
              : `${count(rows.length)} of ${plural(fleet.hosts.length, 'host')}`
            : 'reading …'}
          {silent > 0 ? `, ${plural(silent, 'BMC')} not answering` : ''}
        </span>
      </div>
      <ListFilter
        list="hosts"
        states={STATES}
        counts={counts}
        chosen={chosen}
        text={text}
        placeholder="Name, serial, model, MAC, zone, consumer   ( / )"
      />
      {fleet.isLoaded && rows.length === 0 ? (
        <p class="card empty">
          {fleet.hosts.length === 0
            ? 'No host is registered yet. Apply a PhysicalHost, and it shows here at once.'
            : 'No host fits this filter.'}
        </p>
      ) : (
        <div class="hosts">
          <VirtualRows
            rows={rows}
            rowHeight={isNarrow ? 62 : 30}
            keyOf={keyOf}
            label="Hosts"
            columns={8}
            head={<Head />}
            draw={(row) => <Cells row={row} />}
          />
        </div>
      )}
    </>
  );
}

function Head() {
  return (
    <>
      {['State', 'Name', 'Model', 'Serial', 'Zone', 'Power', 'BMC', 'Consumer'].map((name) => (
        <span role="columnheader" key={name}>
          {name}
        </span>
      ))}
    </>
  );
}

function Cells({ row }: { readonly row: HostRow }) {
  const model = [row.manufacturer, row.model].filter(Boolean).join(' ');
  return (
    <>
      <span role="cell" class="c-state">
        <State state={row.state} />
      </span>
      <span role="cell" class="c-name">
        <a href={hostLink(row.namespace, row.name)} title={keyOf(row)}>
          {row.name}
        </a>
      </span>
      <span role="cell" class="c-sub" title={model}>
        {model || <None />}
      </span>
      <span role="cell" class="c-wide mono">
        {row.serial ?? <None />}
      </span>
      <span role="cell" class="c-wide">
        {row.zone ?? <None />}
      </span>
      <span role="cell" class="c-wide">
        {row.power ?? <None />}
      </span>
      <span role="cell" class="c-wide">
        {isSilent(row) ? <span class="unmet">{row.bmc}</span> : row.bmc ? <span class="muted">ok</span> : <None />}
      </span>
      <span role="cell" class="c-side">
        {row.consumer ? (
          <a href={machineLink(row.consumer.namespace, row.consumer.name)}>{row.consumer.name}</a>
        ) : (
          <None />
        )}
      </span>
    </>
  );
}

function None() {
  return (
    <span class="muted" aria-label="none">
      –
    </span>
  );
}

function isSilent(row: HostRow): boolean {
  return row.bmc !== undefined && row.bmc !== 'Reachable';
}
