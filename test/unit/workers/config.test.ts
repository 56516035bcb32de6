import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { command, parseConfig } from '../../../workers/config.ts';
import { VERSION } from '../../../workers/version.ts';

afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('BESKAR7_TESTED_')) delete process.env[name];
  delete process.env.BESKAR7_ROLES;
  delete process.env.BESKAR7_BOOT_BY_MAC;
});

describe('flags', () => {
  test('the defaults are those of the architecture text', () => {
    expect(parseConfig([])).toMatchObject({
      roles: ['controllers', 'worker', 'bmc-worker', 'api', 'webhook', 'web'],
      callbackBindAddress: { host: '0.0.0.0', port: 8082 },
      metricsBindAddress: { host: '0.0.0.0', port: 8080 },
      inspectionTimeout: 600_000,
      bootByMac: false,
      searchAttributes: true,
    });
  });

  test.each([
    [['--nonsense'], /unknown option '--nonsense'/],
    [['--inspection-timeout=soon'], /--inspection-timeout.*give a number with a unit/],
    [['--roles=worker,king'], /--roles.*"king" is no role/],
    [['--metrics-bind-address=8080'], /--metrics-bind-address.*give host:port/],
    [['--power-on-rate=0'], /--power-on-rate.*above 0/],
    [['--resync=0s'], /--resync.*give a duration above 0/],
    // Node's timers would fire at once.
    [['--monitor-interval=1000h'], /--monitor-interval.*give at most 576h/],
    [['--concurrent-activities=0.5'], /--concurrent-activities.*give a number from 1 to/],
    [['--monitor-shards='], /--monitor-shards.*give a number from 1 to 256/],
    [['--temporal-codec-strict'], /--temporal-codec-strict needs --temporal-codec-keys/],
    [['--roles=web'], /the role web needs --web-bind-address/],
    [
      ['--tls-cert-dir=/x', '--callback-url=http://h:1'],
      /--callback-url begins with http:\/\/, but with --tls-cert-dir the callbacks speak HTTPS/,
    ],
    [['--log-level=loud'], /--log-level.*(trace|debug)/],
    [['--callback-url=10.0.0.1'], /--callback-url.*give a URL/],
    [['--node-label-prefix=Rack'], /--node-label-prefix.*"Rack" is no prefix of labels/],
    [
      ['--node-label-prefix=a.example/,x.k8s.io'],
      /--node-label-prefix.*a kubelet may not give its Node labels of x.k8s.io/,
    ],
    [['--bmc-networks=10.0.0.0/8,rack'], /--bmc-networks.*"rack" is no IP address and no CIDR block/],
    [['--callback-certificate-secret=x'], /--callback-certificate-secret.*give <namespace>\/<name>/],
    [
      ['--callback-certificate-secret=a/b', '--callback-url=http://h:1'],
      /needs a --callback-url that begins with https/,
    ],
    [['--callback-certificate-secret=a/b'], /needs a --callback-url that begins with https/],
    [
      ['--callback-certificate-secret=a/b', '--tls-cert-dir=/x', '--callback-url=https://h:1'],
      /--tls-cert-dir or --callback-certificate-secret, not both/,
    ],
    [['stray'], /too many arguments/],
  ])('%j is refused in one line that names it', (args, message) => {
    const failure = (() => {
      try {
        parseConfig(args);
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(failure).toMatch(message);
    expect(failure.split('\n')).toHaveLength(1);
  });

  test('the environment is read, flags win', () => {
    process.env.BESKAR7_ROLES = 'api';
    process.env.BESKAR7_BOOT_BY_MAC = 'false';
    expect(parseConfig([])).toMatchObject({ roles: ['api'], bootByMac: false });
    expect(parseConfig(['--roles=worker', '--boot-by-mac'])).toMatchObject({ roles: ['worker'], bootByMac: true });
  });

  test('--help names every flag with its variable', () => {
    const help = command().helpInformation();
    for (const { long, envVar } of command().options) {
      if (long === '--help' || !envVar) continue;
      expect(help).toContain(String(long));
      expect(help.replaceAll(/\s+/g, '')).toContain(envVar);
    }
  });
});

test('the version is that of package.json', () => {
  const text = readFileSync(path.join(import.meta.dirname, '../../../package.json'), 'utf8');
  expect((JSON.parse(text) as { version: string }).version).toBe(VERSION);
});
