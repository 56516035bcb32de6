import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect } from '@jest/globals';
import { runParts, testWithShell } from '../../support/inspector.ts';

let run = '';
beforeEach(() => {
  run = mkdtempSync(path.join(os.tmpdir(), 'beskar7-network-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

interface Given {
  /** MAC and link of each NIC; one without a device is no hardware (a bond, the loopback). */
  readonly nics: Readonly<Record<string, { mac: string; carrier: '0' | '1'; isVirtual?: boolean }>>;
  readonly parameters?: string;
  /** NICs on which DHCP is answered. */
  readonly answered?: readonly string[];
}

/** Runs `network_up` once, with the network's programs replaced by functions that note what they were asked. */
async function up({
  nics,
  parameters = '',
  answered = [],
}: Given): Promise<{ calls: string[]; output: string; isUp: boolean }> {
  for (const [name, { mac, carrier, isVirtual }] of Object.entries(nics)) {
    mkdirSync(path.join(run, 'net', name), { recursive: true });
    writeFileSync(path.join(run, 'net', name, 'address'), `${mac}\n`);
    writeFileSync(path.join(run, 'net', name, 'carrier'), `${carrier}\n`);
    if (isVirtual !== true) mkdirSync(path.join(run, 'net', name, 'device'));
  }
  writeFileSync(
    path.join(run, 'cmdline'),
    `beskar7.api=http://x beskar7.namespace=n beskar7.host=h-1 beskar7.provider-id=b7://n/h-1/m beskar7.token=t beskar7.target=http://t ${parameters}`,
  );
  writeFileSync(path.join(run, 'calls'), '');
  const { output, stdout } = await runParts(
    ['console', 'parameters', 'system', 'network'],
    `SERIAL_LINES= REPORT_SECONDS=0
    ip() { case "$*" in *" show "*) ;; *) echo "ip $*" >>"$RUN/calls" ;; esac; }
    udhcpc() { echo "udhcpc $2" >>"$RUN/calls"; case ' ${answered.join(' ')} ' in *" $2 "*) ;; *) return 1 ;; esac; }
    read_parameters && network_up && echo is-up`,
    {
      RUN: run,
      NET: path.join(run, 'net'),
      CMDLINE: path.join(run, 'cmdline'),
      RESOLV_CONF: path.join(run, 'resolv.conf'),
    },
  );
  const calls = readFileSync(path.join(run, 'calls'), 'utf8').split('\n').filter(Boolean);
  return { calls, output, isUp: stdout.includes('is-up') };
}
const asked = (calls: readonly string[]) => calls.filter((call) => call.startsWith('udhcpc')).sort();
const set = (calls: readonly string[]) => calls.filter((call) => /^ip (addr|route)/.test(call));

describe('the network', () => {
  const three = {
    eth0: { mac: '02:00:00:00:00:01', carrier: '0' },
    eth1: { mac: '02:00:00:00:00:02', carrier: '1' },
    bond0: { mac: '02:00:00:00:00:01', carrier: '1', isVirtual: true },
  } as const;

  testWithShell('the NIC that booted is asked alone', async () => {
    const { calls, isUp } = await up({ nics: three, parameters: 'BOOTIF=01-02-00-00-00-00-02', answered: ['eth1'] });
    expect(isUp).toBe(true);
    expect(asked(calls)).toEqual(['udhcpc eth1']);
  });

  testWithShell('where it gets no answer, all are asked', async () => {
    const { calls, isUp } = await up({ nics: three, parameters: 'BOOTIF=01-02-00-00-00-00-01', answered: ['eth1'] });
    expect(isUp).toBe(true);
    expect(asked(calls)).toEqual(['udhcpc eth0', 'udhcpc eth0', 'udhcpc eth1']);
  });

  testWithShell.each(['', 'BOOTIF=01-02-00-00-00-00-99'])(
    'without a NIC that booted (%j) all are asked, those that are hardware',
    async (parameters) => {
      const { calls, isUp } = await up({ nics: three, parameters, answered: ['eth1'] });
      expect(isUp).toBe(true);
      expect(asked(calls)).toEqual(['udhcpc eth0', 'udhcpc eth1']);
    },
  );

  testWithShell('nobody answers, or there is no NIC: not up, when the time is over', async () => {
    expect((await up({ nics: three })).isUp).toBe(false);
    rmSync(path.join(run, 'net'), { recursive: true });
    const none = await up({ nics: {} });
    expect(none.isUp).toBe(false);
    expect(none.output).toContain('there is no NIC with a driver');
  });

  testWithShell('beskar7.ip: on the first NIC with a link, no DHCP', async () => {
    const { calls, isUp } = await up({ nics: three, parameters: 'beskar7.ip=10.0.0.5/24,10.0.0.1,10.0.0.53' });
    expect(isUp).toBe(true);
    expect(asked(calls)).toEqual([]);
    expect(set(calls)).toEqual([
      'ip addr replace 10.0.0.5/24 dev eth1',
      'ip route replace default via 10.0.0.1 dev eth1',
    ]);
    expect(readFileSync(path.join(run, 'resolv.conf'), 'utf8')).toBe('nameserver 10.0.0.53\n');
  });

  testWithShell('beskar7.ip: on the NIC that booted; IPv6, without gateway and DNS', async () => {
    const parameters = 'beskar7.ip=2001:db8::5/64 BOOTIF=01-02-00-00-00-00-01';
    const { calls, isUp } = await up({ nics: three, parameters });
    expect(isUp).toBe(true);
    expect(set(calls)).toEqual(['ip addr replace 2001:db8::5/64 dev eth0']);
  });
});
