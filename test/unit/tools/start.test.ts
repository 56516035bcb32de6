import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { freePorts, PortInUse, requireFree } from '../../../tools/controlplane/ports.ts';
import { Display, tableLines } from '../../../tools/start/display.ts';
import { fleetObjects, macOf } from '../../../tools/start/fleetObjects.ts';
import type { Row } from '../../../tools/start/fleetView.ts';
import { parseStartOptions, WrongUsage } from '../../../tools/start/options.ts';

afterEach(() => void jest.restoreAllMocks());

describe('flags', () => {
  test('the defaults are the documented ones', () => {
    expect(parseStartOptions([])).toMatchObject({
      up: false,
      once: false,
      external: false,
      fresh: false,
      hosts: 5,
      apiServerPort: 6450,
      temporalPort: 7233,
      temporalUiPort: 8233,
      callbackPort: 8082,
    });
  });

  test.each([
    [['--host', '3'], "unknown option '--host'"],
    [['--hosts', '0'], 'give a whole number above 0'],
    [['--hosts', 'many'], 'give a whole number above 0'],
    [['--temporal-port', '70000'], 'give a port, 1 to 65535'],
    [['extra'], 'too many arguments'],
    [['--latency', '20'], '"20" is no duration: give a number with ms, s or m'],
    [['--boot-time', 'soon'], '"soon" is no duration'],
    [['--hosts', '99999'], 'at most 20000 are possible'],
    [['--hosts', '100', '--vm'], 'at most 64 virtual machines'],
    [['--hosts', '20000', '--bmc-base-port', '60000'], 'needs the ports 60001 to 80000'],
    [['--web-port', '8082'], 'port 8082 is given to --web-port and to --callback-port'],
    [['--hosts', '100', '--bmc-base-port', '8050'], 'and to --bmc-base-port (a BMC)'],
    [['--context', 'prod'], '--context has no effect without --external'],
    [['--examples'], '--examples has no effect without --external'],
    [['--vm-firmware', 'uefi'], '--vm-firmware has no effect without --vm'],
    [['--timeout-minutes', '3'], '--timeout-minutes has no effect without --once'],
    [['--up', '--hosts', '3'], '--hosts has no effect without a fleet (--up has none)'],
    [['--external', '--latency', '1s'], '--latency has no effect without a fleet: add --examples'],
    [['--vm', '--boot-time', '1s'], '--boot-time has no effect with --vm'],
    [['--up', '--once'], '--up starts without any'],
    [['--data-dir', ''], 'give a folder'],
  ])('%j is one line that names it', (args, text) => {
    const parse = () => parseStartOptions(args);
    expect(parse).toThrow(WrongUsage);
    expect(parse).toThrow(text);
    expect(parse).toThrow(/^beskar7: [^\n]*$/);
  });

  test('ports of what is not started are not in the way of others', () => {
    expect(parseStartOptions(['--external', '--web-port', '8233'])?.webPort).toBe(8233);
    expect(parseStartOptions(['--up', '--web-port', '18001'])?.webPort).toBe(18_001);
  });

  test('--vm: two machines, and a data folder of their own', () => {
    const { hosts, dataDir, vmFirmware } = parseStartOptions(['--vm']) ?? {};
    expect({ hosts, vmFirmware }).toEqual({ hosts: 2, vmFirmware: 'bios' });
    expect(dataDir).toBe(`${parseStartOptions([])?.dataDir ?? ''}-vm`);
    expect(parseStartOptions(['--vm', '--hosts', '3', '--data-dir', '/x'])).toMatchObject({ hosts: 3, dataDir: '/x' });
    expect(() => parseStartOptions(['--vm', '--up'])).toThrow(/does not go together/);
    expect(() => parseStartOptions(['--vm', '--vm-firmware', 'coreboot'])).toThrow(/bios, uefi/);
  });

  test.each([
    [['--help'], 'npm start --', ['--hosts', '--latency', '--examples', 'default: "20ms"'], []],
    [['--up', '--help'], 'npm run up --', ['--external', '--context'], ['--hosts', '--latency', '--boot-time', '--vm']],
    [
      ['--vm', '--help'],
      'npm run demo:vm --',
      ['--vm-firmware', '--hosts', '(2)'],
      ['--external', '--boot-time', '--up'],
    ],
  ])('%j tells of its own command', (args, name, shown, hidden) => {
    const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(parseStartOptions(args)).toBeUndefined();
    const text = String(write.mock.calls[0]?.[0]);
    expect(text).toContain(`Usage: ${name}`);
    for (const flag of shown) expect(text).toContain(flag);
    for (const flag of hidden) expect(text).not.toMatch(new RegExp(`${flag}\\b(?!-)`));
  });

  test('--help is printed, and nothing is started', () => {
    const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(parseStartOptions(['--help'])).toBeUndefined();
    expect(String(write.mock.calls[0]?.[0])).toContain('--temporal-ui-port <port>');
  });
});

interface Named {
  kind: string;
  metadata: { name: string; namespace: string };
  spec: { bootMACAddress?: string; redfishConnection?: { address: string } };
}

async function objects(hosts: number, basePort = 18_000): Promise<Named[]> {
  return parseAllDocuments(await fleetObjects(hosts, basePort)).map((document) => document.toJS() as Named);
}

describe('what is applied', () => {
  test.each([1, 3, 5, 7, 300])(
    '%i hosts and as many machines, each of another name, MAC and address',
    async (count) => {
      const all = await objects(count);
      const hosts = all.filter(({ kind }) => kind === 'PhysicalHost');
      const machines = all.filter(({ kind }) => kind === 'Beskar7Machine');
      expect([hosts.length, machines.length, all.length]).toEqual([count, count, 2 * count + 1]);
      expect(hosts.map(({ spec }) => spec.bootMACAddress)).toEqual(hosts.map((_, index) => macOf(index + 1)));
      expect(hosts.map(({ spec }) => spec.redfishConnection?.address)).toEqual(
        hosts.map((_, index) => `http://127.0.0.1:${18_001 + index}`),
      );
      expect(new Set(all.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).size).toBe(all.length);
    },
  );

  test('the examples follow --bmc-base-port', async () => {
    const [first] = (await objects(1, 20_000)).filter(({ kind }) => kind === 'PhysicalHost');
    expect(first?.spec.redfishConnection?.address).toBe('http://127.0.0.1:20001');
  });

  test('MAC addresses carry over into the next byte', () => {
    expect([macOf(1), macOf(255), macOf(256)]).toEqual(['02:b7:00:00:00:01', '02:b7:00:00:00:ff', '02:b7:00:00:01:00']);
  });
});

const row = (host: string, state: string, machine: string, phase: string, waitsFor = ''): Row => ({
  host,
  state,
  machine,
  phase,
  seconds: 7,
  waitsFor,
});

describe('the table', () => {
  test('stands in columns, is cut to the width, and says how many do not fit', () => {
    const rows = [row('rack1-01', 'InUse', 'worker-01', 'Claiming', 'a long reason'), row('h', 'Available', '', '-')];
    expect(tableLines(rows, 52, 1)).toEqual([
      'HOST      STATE  MACHINE    PHASE     FOR  WAITS FOR',
      'rack1-01  InUse  worker-01  Claiming  7s   a long re',
      '... and 1 more',
    ]);
    expect(tableLines(rows, 80, 9)[2]).toBe('h         Available  -          -         7s   ');
  });

  test('is drawn over itself, wrapped lines counted', () => {
    const texts: string[] = [];
    const write = (text: string) => texts.push(text) > 0;
    const out = { isTTY: true, columns: 40, rows: 30, write } as unknown as NodeJS.WriteStream;
    const display = new Display(out, ['x'.repeat(81), 'y']);
    display.show([row('rack1-01', 'Available', '', '-')]);
    display.show([row('rack1-01', 'Available', '', '-')]);
    // Two lines of table, an empty one, three of the long line, one of the short.
    expect(texts[1]).toBe('\u001b[7A\u001b[J');
  });

  test('without a terminal it is a line for each change, and for nothing else', () => {
    const lines: string[] = [];
    const out = { isTTY: false, write: (text: string) => lines.push(text) > 0 } as unknown as NodeJS.WriteStream;
    const display = new Display(out, ['Metrics: here']);
    display.show([row('rack1-01', 'Available', '', '-')]);
    display.show([{ ...row('rack1-01', 'Available', '', '-'), seconds: 8 }]);
    display.show([row('rack1-01', 'InUse', 'worker-01', 'Claiming', 'it boots')]);
    expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''))).toEqual([
      'Metrics: here\n',
      'host rack1-01 Available, machine - -\n',
      'host rack1-01 InUse, machine worker-01 Claiming: it boots\n',
    ]);
  });
});

describe('ports', () => {
  test('free ones differ', async () => {
    const ports = await freePorts(5);
    expect(new Set(ports).size).toBe(5);
    await requireFree({ one: ports[0] ?? 0 }, {});
  });

  test('one in use is named with the flag that changes it', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const line = `beskar7: 127.0.0.1:${port} (temporal) is in use; choose another port with --temporal-port`;
    await expect(requireFree({ temporal: port }, {})).rejects.toThrow(new PortInUse(line));
    await new Promise((resolve) => server.close(resolve));
  });
});
