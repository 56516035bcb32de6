import { claimOf } from '../../../model/claim.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import type { Beskar7Machine } from '../../../crds/beskar7Machine.ts';
import type { ChaosRecord, KubernetesRecord } from '../records.ts';

/** Lines kept for one host. */
const MAX_LINES = 2_000;

/** What happened at each host, a line for each record; written when it comes in, so that no object is kept. */
export class Timeline {
  readonly #lines = new Map<string, { at: number; text: string }[]>();
  readonly #last = new Map<string, string>();
  /** Which host a machine has, as last told. */
  readonly #hostOf = new Map<string, string>();

  add(record: ChaosRecord): void {
    switch (record.source) {
      case 'kubernetes':
        return this.#addObject(record);
      case 'bmc':
        return this.#line(
          record.host,
          record.at,
          'bmc',
          `${record.method} ${record.path} ${record.body} by ${record.userAgent}`,
        );
      case 'power':
        return this.#line(record.host, record.at, 'server', `power ${record.power} (${record.why})`);
      case 'server':
        return this.#line(record.host, record.at, 'server', `is ${record.serialNumber} from now on`);
      case 'override':
        return this.#line(record.host, record.at, 'server', `boot override ${record.enabled}`);
      case 'callback':
        return this.#line(
          record.host,
          record.at,
          'callback',
          `${record.route} answered ${record.status === 0 ? 'nothing' : record.status}${record.isForwarded ? '' : ' (by the gateway)'}`,
        );
      case 'temporal': {
        const [kind = '', , name = ''] = record.workflowId.split('/');
        const host = kind === 'provision' || kind === 'deprovision' ? this.#hostOf.get(name) : name;
        return this.#line(
          host ?? name,
          record.at,
          'temporal',
          `${record.workflowId} ${record.runId.slice(0, 8)} ${record.status}`,
        );
      }
      case 'driver':
        return this.#line(
          this.#hostOf.get(record.about) ?? record.about,
          record.at,
          'driver',
          `${record.what} ${record.about}`,
        );
      case 'secret':
        return this.#line(
          /^(.+)-boot-/.exec(record.name)?.[1] ?? '',
          record.at,
          'secret',
          `${record.name} ${record.type}`,
        );
      case 'relist':
        return this.#line('', record.at, 'kubernetes', `${record.kind}: listed anew`);
    }
  }

  /** What is known of a host or machine, with what concerns all, by time. */
  text({ host, machine }: { readonly host?: string; readonly machine?: string }): string {
    const its = machine === undefined ? undefined : this.#hostOf.get(machine);
    const names = new Set(['', host, machine, its].filter((name) => name !== undefined));
    const lines = [...names].flatMap((name) => this.#lines.get(name) ?? []).sort((a, b) => a.at - b.at);
    return lines.map(({ at, text }) => `${new Date(at).toISOString().slice(11, 23)} ${text}`).join('\n');
  }

  #addObject(record: KubernetesRecord): void {
    const { name } = record.object.metadata;
    const text =
      record.kind === 'PhysicalHost'
        ? hostText(record.object as PhysicalHost)
        : machineText(record.object as Beskar7Machine);
    if (record.kind === 'Beskar7Machine') {
      const host = (record.object as Beskar7Machine).status?.hostRef?.name;
      if (host !== undefined) this.#hostOf.set(name, host);
    }
    // Before a machine has a host its lines stand under its own name.
    const about = record.kind === 'PhysicalHost' ? name : (this.#hostOf.get(name) ?? name);
    const said = `${record.kind} ${name} ${record.type === 'DELETED' ? 'DELETED' : text}`;
    if (this.#last.get(`${record.kind} ${name}`) === said) return;
    this.#last.set(`${record.kind} ${name}`, said);
    this.#line(about, record.at, 'kubernetes', said);
  }

  #line(host: string, at: number, source: string, text: string): void {
    const lines = this.#lines.get(host) ?? [];
    lines.push({ at, text: `${source.padEnd(10)} ${text}` });
    if (lines.length > MAX_LINES) lines.splice(0, MAX_LINES / 4);
    this.#lines.set(host, lines);
  }
}

function hostText(host: PhysicalHost): string {
  const claim = claimOf(host);
  const consumer = host.spec.consumerRef;
  const parts = [
    host.status?.state ?? 'no state',
    claim ? `claim ${claim.id.slice(0, 8)} ${claim.stage}` : 'no claim',
    consumer ? `for ${consumer.name}` : '',
    host.status?.inspectionPhase ?? '',
    host.metadata.deletionTimestamp === undefined ? '' : 'deleting',
    host.status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function machineText(machine: Beskar7Machine): string {
  const ready = machine.status?.conditions?.find(({ type }) => type === 'Ready');
  const parts = [
    machine.status?.phase ?? 'no phase',
    machine.metadata.deletionTimestamp === undefined ? '' : 'deleting',
    ready ? `${ready.reason}: ${ready.message ?? ''}` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}
