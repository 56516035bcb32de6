import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bootScript, normalizeMac, type BootScriptInput } from '../../../api/bootScript.ts';

const INPUT: BootScriptInput = {
  namespace: 'default',
  host: 'server-01',
  token: 'T'.repeat(43),
  mac: '00:25:90:f0:79:00',
  machine: { machineName: 'worker-1', targetOSImage: 'http://boot/images/kairos.tar.gz' },
  apiUrl: 'http://10.0.0.1:8082',
  inspectorUrl: 'http://10.0.0.1:8083/images/inspector',
};
const TOKEN = `beskar7.token=${'T'.repeat(43)}`;

const script = (change: Partial<BootScriptInput> = {}) => bootScript({ ...INPUT, ...change });
const withMachine = (machine: Partial<BootScriptInput['machine']>) =>
  script({ machine: { ...INPUT.machine, ...machine } });

function textOf(result: ReturnType<typeof bootScript>): string {
  if (result.kind === 'invalid') throw new Error(result.problems.join());
  return result.text;
}

describe('the script', () => {
  test('four lines, arguments in the order of the contract', () => {
    const text = textOf(
      script({
        machine: {
          machineName: 'worker-1',
          targetOSImage: 'http://boot/images/kairos.tar.gz',
          targetOSImageDigest: `sha256:${'a'.repeat(64)}`,
          configurationURL: 'https://boot/config?x=1&y=2#z',
        },
        caPem: 'PEM',
      }),
    );
    expect(text).toBe(
      [
        '#!ipxe',
        `kernel http://10.0.0.1:8083/images/inspector/vmlinuz quiet loglevel=4 initrd=initrd.img beskar7.api=http://10.0.0.1:8082 ` +
          `beskar7.namespace=default beskar7.host=server-01 ${TOKEN} ` +
          `beskar7.target=http://boot/images/kairos.tar.gz beskar7.target-digest=sha256:${'a'.repeat(64)} ` +
          'beskar7.provider-id=b7://default/server-01/worker-1 beskar7.ca=UEVN beskar7.config=https://boot/config?x=1&y=2#z ' +
          'BOOTIF=01-00-25-90-f0-79-00',
        'initrd http://10.0.0.1:8083/images/inspector/initrd.img',
        'boot',
        '',
      ].join('\n'),
    );
  });
  test.each([`sha512:${'a'.repeat(128)}`, 'https://boot/images/SHA512SUMS?x=1&y=2'])('the digest %s', (digest) => {
    expect(textOf(withMachine({ targetOSImageDigest: digest }))).toContain(` beskar7.target-digest=${digest} `);
  });
  test('what is absent leaves no parameter', () => {
    const text = textOf(script({ mac: undefined }));
    expect(text).not.toMatch(/target-digest|beskar7.ca|beskar7.config|BOOTIF|undefined/);
  });
  test('WholeDisk is said, with the least size of the disk; Kexec is not', () => {
    const disk = textOf(withMachine({ deployMode: 'WholeDisk', hardwareRequirements: { minDiskGB: 100 } }));
    expect(disk).toContain(' beskar7.mode=WholeDisk beskar7.min-disk-gb=100 BOOTIF=');
    expect(textOf(withMachine({ deployMode: 'WholeDisk' }))).toContain(' beskar7.mode=WholeDisk BOOTIF=');
    const kexec = textOf(withMachine({ deployMode: 'Kexec', hardwareRequirements: { minDiskGB: 100 } }));
    expect(kexec).not.toMatch(/beskar7\.(mode|min-disk)/);
  });
  test('WholeDisk is told the host name, and where user data goes unless that is chosen by its format', () => {
    const wholeDisk = { deployMode: 'WholeDisk', nodeName: 'worker-1' } as const;
    const disk = textOf(withMachine({ ...wholeDisk, userData: 'NoCloud' }));
    expect(disk).toContain(' beskar7.mode=WholeDisk beskar7.hostname=worker-1 beskar7.user-data=NoCloud BOOTIF=');
    expect(textOf(withMachine({ ...wholeDisk, userData: 'Auto' }))).toContain(' beskar7.hostname=worker-1 BOOTIF=');
    expect(textOf(withMachine({ nodeName: 'worker-1', userData: 'NoCloud' }))).not.toMatch(/hostname|user-data/);
  });
  test('an inspectionImage that is a folder', () => {
    expect(textOf(withMachine({ inspectionImage: 'http://b/inspect//' }))).toContain(
      'kernel http://b/inspect/vmlinuz ',
    );
  });
  test.each(['http://b/inspect.ipxe', 'http://b/inspect.ipxe?arch=x86_64'])('chains to %s', (inspectionImage) => {
    const lines = textOf(withMachine({ inspectionImage })).split('\n');
    expect(lines[1]).toMatch(/^set beskar7_args quiet loglevel=4 beskar7\.api=/);
    expect(lines).toEqual(['#!ipxe', lines[1], `chain ${inspectionImage}`, '']);
  });
});

describe('what is refused', () => {
  const good = 'http://b/x';
  test.each<[string, ReturnType<typeof bootScript>, string]>([
    ['white space', withMachine({ targetOSImage: `${good} init=/bin/sh` }), 'targetOSImage'],
    ['a host name with a space', withMachine({ nodeName: 'a b' }), 'the host name'],
    ['a machine name with a space', withMachine({ machineName: 'a b' }), 'the name of the machine'],
    ['a new line', withMachine({ configurationURL: `${good}\nboot` }), 'configurationURL'],
    ['an iPXE variable', withMachine({ targetOSImage: `${good}\${net0/mac}` }), 'targetOSImage'],
    ['a quote', withMachine({ targetOSImage: `${good}"` }), 'targetOSImage'],
    ['another scheme', withMachine({ targetOSImage: 'file:///etc/shadow' }), 'targetOSImage'],
    ['no host', withMachine({ targetOSImage: 'http://' }), 'targetOSImage'],
    ['an unusable port', withMachine({ inspectionImage: 'http://b:99999/x' }), 'inspectionImage'],
    ['a folder with a query', withMachine({ inspectionImage: `${good}?a=b` }), 'inspectionImage'],
    ['a digest of another kind', withMachine({ targetOSImageDigest: 'md5:1' }), 'targetOSImageDigest'],
    ['a digest that is cut', withMachine({ targetOSImageDigest: `sha512:${'a'.repeat(64)}` }), 'targetOSImageDigest'],
    ['a checksum file with a blank', withMachine({ targetOSImageDigest: 'http://h/a b' }), 'targetOSImageDigest'],
    ['a token with a space', script({ token: 'a b'.padEnd(43, 'c') }), 'token'],
    ['a namespace with a space', script({ namespace: 'a b' }), 'namespace'],
    ['a host with upper case', script({ host: 'A' }), 'host'],
    ['a MAC with more behind it', script({ mac: '00:25:90:f0:79:00 x' }), 'MAC'],
    ['too many arguments', withMachine({ targetOSImage: `${good}${'y'.repeat(2000)}` }), '2048'],
    ['too long a script', withMachine({ inspectionImage: `${good}${'y'.repeat(2000)}` }), '4096'],
  ])('%s', (_name, result, about) => {
    expect(result.kind).toBe('invalid');
    expect(JSON.stringify(result)).toContain(about);
    expect(JSON.stringify(result)).not.toContain('T'.repeat(43));
  });
});

test('whatever a resource says, it stays inside its own parameter', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ maxLength: 60 }).map((rest) => `http://b/${rest}`),
    fc.constantFrom('http://b/${x}', 'http://b/\t', 'http://b/\u0000', 'http://b/\u2028', 'http://b/ ||', 'http://b/;'),
  );
  const names = /^((beskar7\.(api|namespace|host|token|target|provider-id|config)|BOOTIF)=\S+|initrd=initrd\.img)$/;
  fc.assert(
    fc.property(nasty, nasty, nasty, (targetOSImage, configurationURL, inspectionImage) => {
      const result = withMachine({ targetOSImage, configurationURL, inspectionImage });
      if (result.kind === 'invalid') return;
      expect(Buffer.byteLength(result.text)).toBeLessThanOrEqual(4096);
      expect(result.text).toMatch(/^#!ipxe\n[\x20-\x7e\n]*\n$/);
      const lines = result.text.trimEnd().split('\n');
      const isChain = lines[1]?.startsWith('set ') === true;
      expect(lines).toHaveLength(isChain ? 3 : 4);
      const words = lines[1]?.split(' ').slice(2) ?? [];
      expect(words.slice(0, 2)).toEqual(['quiet', 'loglevel=4']);
      for (const word of words.slice(2)) expect(word).toMatch(names);
      expect(result.text).not.toMatch(/["'\\{}`]/);
    }),
    { numRuns: 60 },
  );
});

test.each([
  ['00:25:90:F0:79:00', '00:25:90:f0:79:00'],
  ['00-25-90-f0-79-00', '00:25:90:f0:79:00'],
  ['002590f07900', undefined],
  ['', undefined],
  [undefined, undefined],
])('MAC %j is %j', (text, mac) => expect(normalizeMac(text)).toBe(mac));
