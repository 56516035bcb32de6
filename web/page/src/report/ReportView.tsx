import type { ComponentChildren } from 'preact';
import { diskSize, linkSpeed, memorySize, plural } from '../format.ts';
import { diskBytes, diskKind, isLinkUp, largestDiskBytes, memoryText } from '../../../shared/reportTotals.ts';
import type { InspectionReport } from './types.ts';

/** More packages than this are shown as a number, and not drawn. */
const MAX_PACKAGES = 8;
/** More cores in a package than this are shown as a number: the squares would be too small to count. */
const MAX_CORES = 128;

/** What is in a server, drawn: the inspection report. */
export function ReportView({ report }: { readonly report: InspectionReport }) {
  const disks = report.disks ?? [];
  const nics = report.nics ?? [];
  return (
    <div class="report">
      <Part
        name="Processors"
        sum={`${plural(report.cpus?.count ?? 0, 'package')}, ${plural(report.cpus?.cores ?? 0, 'core')}, ${plural(report.cpus?.threads ?? 0, 'thread')}`}
      >
        <Packages report={report} />
      </Part>
      <Part name="Memory" sum={memoryText(report) ?? memorySize(0)}>
        <Dimms report={report} />
      </Part>
      <Part
        name="Disks"
        sum={disks.length === 0 ? 'none' : `${disks.length}, largest ${diskSize(largestDiskBytes(report))}`}
      >
        <Disks report={report} />
      </Part>
      <Part name="Network" sum={plural(nics.length, 'port')}>
        <Nics report={report} />
      </Part>
      <Devices name="Controllers" devices={report.storageControllers} />
      <Devices name="Accelerators" devices={report.accelerators} />
      <Part name="Firmware" sum={report.bootMode ?? ''}>
        <dl class="facts">
          <Fact name="BIOS" value={report.system?.biosVersion} />
          <Fact name="Boot mode" value={report.bootMode} />
          <Fact name="Manufacturer" value={report.system?.manufacturer} />
          <Fact name="Model" value={report.system?.model} />
          <Fact name="Serial number" value={report.system?.serialNumber} />
          <Fact name="UUID" value={report.system?.uuid} />
          <Fact name="BMC, seen from inside" value={report.system?.bmcAddress} />
        </dl>
      </Part>
    </div>
  );
}

function Part({ name, sum, children }: { name: string; sum: string; children: ComponentChildren }) {
  return (
    <section class="part" aria-label={name}>
      <div class="part-head">
        <h3>{name}</h3>
        <span>{sum}</span>
      </div>
      {children}
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string | undefined }) {
  if (!value) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

/** Each package as a square of its cores. */
function Packages({ report: { cpus } }: { report: InspectionReport }) {
  if (!cpus) return <p class="muted">The report has no processors.</p>;
  const packages = cpus.count ?? 0;
  const each = packages > 0 ? Math.round((cpus.cores ?? 0) / packages) : 0;
  const isDrawn = packages > 0 && packages <= MAX_PACKAGES && each > 0 && each <= MAX_CORES;
  return (
    <div class="stack-s">
      {isDrawn && (
        <div class="packages" role="img" aria-label={`${packages} packages with ${each} cores each`}>
          {Array.from({ length: packages }, (_, at) => (
            <div class="package" key={at}>
              <div class="cores">
                {Array.from({ length: each }, (_, core) => (
                  <i key={core} />
                ))}
              </div>
              <span>
                CPU {at} · {each} cores
              </span>
            </div>
          ))}
        </div>
      )}
      <p>
        {cpus.model ?? 'Unknown model'}
        <span class="muted">
          {cpus.architecture ? ` · ${cpus.architecture}` : ''}
          {cpus.mhz ? ` · ${cpus.mhz} MHz` : ''}
        </span>
      </p>
    </div>
  );
}

/** Each DIMM in its slot, as long as it is big. */
function Dimms({ report: { memory } }: { report: InspectionReport }) {
  const modules = memory?.modules ?? [];
  if (modules.length === 0) return <p class="muted">The report has only a total, no table of modules.</p>;
  const most = Math.max(1, ...modules.map((module) => module.sizeBytes ?? 0));
  return (
    <ul class="dimms">
      {modules.map((module, index) => (
        <li key={index} class={module.sizeBytes ? '' : 'free'}>
          <span class="slot" title={module.id}>
            {module.id ?? `slot ${index + 1}`}
          </span>
          <span class="bar">
            <i style={{ width: `${(100 * (module.sizeBytes ?? 0)) / most}%` }} />
          </span>
          <span class="size">{module.sizeBytes ? memorySize(module.sizeBytes) : 'empty'}</span>
          <span class="muted kind">{[module.type, module.speed].filter(Boolean).join(' ')}</span>
        </li>
      ))}
    </ul>
  );
}

/** Each disk, as long as it is big, in the colour of its kind. */
function Disks({ report: { disks = [] } }: { report: InspectionReport }) {
  if (disks.length === 0) return <p class="muted">No disk was found.</p>;
  const most = Math.max(1, ...disks.map(diskBytes));
  return (
    <ul class="disks">
      {disks.map((disk, index) => (
        <li key={index} data-kind={diskKind(disk)}>
          <span class="mono slot">{disk.device ?? `disk ${index + 1}`}</span>
          <span class="bar">
            <i style={{ width: `${Math.max(1.5, (100 * diskBytes(disk)) / most)}%` }} />
          </span>
          <span class="size">{diskSize(diskBytes(disk))}</span>
          <span class="kind">
            <span class="tag">{diskKind(disk)}</span>
            {disk.removable && <span class="tag">removable</span>}
            {disk.readOnly && <span class="tag">read-only</span>}
            <span class="muted">
              {disk.model}
              {disk.serial && <span class="mono"> {disk.serial}</span>}
            </span>
          </span>
        </li>
      ))}
    </ul>
  );
}

function Nics({ report: { nics = [] } }: { report: InspectionReport }) {
  if (nics.length === 0) return <p class="muted">No network port was found.</p>;
  return (
    <ul class="nics">
      {nics.map((nic, index) => {
        const isUp = isLinkUp(nic.linkStatus);
        return (
          <li key={index}>
            <span class="state slot">
              <span class="dot" data-tone={isUp ? 'good' : 'quiet'} />
              <span class="mono">{nic.interface ?? `port ${index + 1}`}</span>
            </span>
            <span class="speed">
              {isUp === undefined ? 'link not told' : isUp ? 'link up' : 'no link'}
              {nic.speedMbps && isUp !== false ? ` · ${linkSpeed(nic.speedMbps)}` : ''}
            </span>
            <span class="mono">{nic.macAddress}</span>
            <span class="muted">{[nic.driver, ...(nic.ipAddresses ?? [])].filter(Boolean).join(' · ')}</span>
          </li>
        );
      })}
    </ul>
  );
}

interface Device {
  readonly id?: string;
  readonly vendor?: string;
  readonly model?: string;
  readonly type?: string;
  readonly driver?: string;
}

function Devices({ name, devices = [] }: { name: string; devices: readonly Device[] | undefined }) {
  if (devices.length === 0) return null;
  return (
    <Part name={name} sum={String(devices.length)}>
      <ul class="devices">
        {devices.map((device, index) => (
          <li key={index}>
            <span>{[device.vendor, device.model].filter(Boolean).join(' ') || device.id}</span>
            <span class="muted">{[device.type, device.driver].filter(Boolean).join(' · ')}</span>
            <span class="mono muted">{device.id}</span>
          </li>
        ))}
      </ul>
    </Part>
  );
}
