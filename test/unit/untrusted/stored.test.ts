import { describe, expect, test } from '@jest/globals';
import { condition } from '../../../crds/conditions.ts';
import { claimLost } from '../../../activities/failures.ts';
import { parseReport } from '../../../api/report/parse.ts';
import { cleanReason } from '../../../api/reason.ts';
import { parseReply } from '../../../redfish/reply.ts';
import { storedText } from '../../../untrusted/stored.ts';
import { maskSecrets, maskText } from '../../../untrusted/secrets.ts';
import { visibleJson, visibleLine, visibleText } from '../../../untrusted/text.ts';
import { plain } from '../../../cli/io.ts';

const PASSWORD = 'hunter2+Geheim/"x"';
const BASIC = Buffer.from(`root:${PASSWORD}`).toString('base64');

describe('a BMC that repeats its credentials', () => {
  const forms: [string, string][] = [
    ['as they are', PASSWORD],
    ['in a sentence', `The password ${PASSWORD} is too short.`],
    ['in a URL', `https://x/?p=${encodeURIComponent(PASSWORD)}`],
    ['in Base64', Buffer.from(PASSWORD).toString('base64')],
    ['in Base64 without its end', Buffer.from(PASSWORD).toString('base64').replace(/=+$/, '')],
    ['in Base64 for URLs', Buffer.from(PASSWORD).toString('base64url')],
    ['as the header was', `Basic ${BASIC}`],
    ['in hex', Buffer.from(PASSWORD).toString('hex')],
    ['in hex capitals', Buffer.from(PASSWORD).toString('hex').toUpperCase()],
    ['in HTML', PASSWORD.replaceAll('"', '&#34;')],
    ['as JSON in a text', JSON.stringify(PASSWORD)],
  ];
  const fields = ['Model', 'SerialNumber', 'Manufacturer', 'SKU', 'UUID', 'BiosVersion', 'PowerState', 'HostName'];
  test.each(forms)('%s, in any field: it is gone before anything reads it', (_what, text) => {
    const body = Object.fromEntries(fields.map((field) => [field, text]));
    const error = { '@Message.ExtendedInfo': [{ Message: text, MessageArgs: [text] }] };
    const json = JSON.stringify({ ...body, Nested: { [text]: [text] }, error });
    // Escaped as JSON allows, too.
    const escaped = JSON.stringify({ ...body, error })
      .replaceAll('h', '\\u0068')
      .replaceAll('e', '\\u0065');
    for (const sent of [json, escaped]) {
      const reply = parseReply({ status: 200, headers: {}, body: sent }, [PASSWORD, BASIC]);
      const all = JSON.stringify(reply.json);
      for (const form of [...forms.map(([, of]) => of), 'hunter2', BASIC])
        if (!form.startsWith('The ') && !form.startsWith('https:')) expect(all).not.toContain(form);
    }
  });
  test('whose password is a word of the protocol does not hide that its server is on', () => {
    const reply = parseReply({ status: 200, headers: {}, body: '{"PowerState":"PoweringOff","Model":"x"}' }, [
      'PoweringOff',
    ]);
    expect(reply.json?.['PowerState']).toBe('PoweringOff');
  });
});

describe('what is stored', () => {
  test.each([
    ['who asks', 'GET https://ann:secret@images/os.img failed'],
    ['another scheme', 'ftp://ann:secret@images/os.img'],
    ['a query', 'https://images/os.img?X-Amz-Signature=secretsecret&a=b'],
    ['a fragment', 'https://images/os.img#token=secretsecret'],
    ['a bearer', 'Authorization: Bearer secretSECRET123'],
    ['Basic', 'sent Basic c2VjcmV0OnNlY3JldA=='],
    ['the nonce of a boot script', 'http://10.0.0.1:8083/api/v1/boot/default/h/secretsecretsecret'],
    ['a kernel command line', 'quiet beskar7.token=secretsecret beskar7.nonce=secretsecret'],
    ['a token of the web', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.secretsecret'],
    ['a private key', '-----BEGIN EC PRIVATE KEY-----\nsecretsecret\n-----END EC PRIVATE KEY-----'],
    ['a private key that breaks off', 'x -----BEGIN PRIVATE KEY----- secretsecret'],
    ['a password by its name', 'ipmitool -H x password=secretsecret'],
    ['JSON in a text', '{"password":"secretsecret","token" : "secretsecret"}'],
  ])('holds no %s', (_what, text) => {
    for (const stored of [storedText(text), maskText(text), cleanReason(text)]) {
      expect(stored).not.toMatch(/secret(secret|SECRET)|ann:|c2VjcmV0|c3ViIjoi/);
    }
    expect(claimLost(text).message).not.toMatch(/secret(secret|SECRET)|ann:|c2VjcmV0|c3ViIjoi/);
    const report = parseReport({
      cpus: { cores: 1 },
      memory: { totalBytes: 1 },
      disks: [],
      system: { model: text.slice(0, 250) },
    });
    expect(JSON.stringify(report)).not.toMatch(/secret(secret|SECRET)|ann:|c2VjcmV0|c3ViIjoi/);
    const patch = { type: 'Ready', status: 'False', reason: 'X', message: text } as const;
    expect(condition(patch, '2026-01-01T00:00:00Z', 1).message).not.toMatch(/secret(secret|SECRET)/);
  });
  test.each([
    'The BMC does not offer Basic authentication; set authentication: Session',
    'Secret ns/bmc has no key password: add it',
    'kubectl create secret generic bmc --from-literal=username=... --from-literal=password=...',
    'MAC address 02:b7:00:00:00:01 is also that of PhysicalHost b',
    'behind https://10.0.0.5:8443 is a server with serial number A-001',
  ])('keeps what is no secret: %s', (text) => expect(storedText(text)).toBe(text));
  test('a text that is made to take long takes less than 100 ms', () => {
    for (const part of [
      'a.',
      'http://',
      ' ',
      'eyJaaaaaaa-',
      '-----BEGIN PRIVATE KEY-----',
      'password',
      '/boot/a/',
      '\u202e ',
    ])
      for (const length of [65_536]) {
        const before = process.cpuUsage();
        storedText(part.repeat(length / part.length));
        cleanReason(part.repeat(length / part.length));
        const { user, system } = process.cpuUsage(before);
        expect((user + system) / 1000).toBeLessThan(100);
      }
  });
});

describe('characters that are not seen', () => {
  const hostile = [
    '\u0000',
    '\u001b[2J',
    '\u0085',
    '\u009b31m',
    '\u200b',
    '\u2028',
    '\u202e',
    '\u2066',
    '\ufeff',
    '\u00ad',
    '\ud800',
    '\u{e0041}',
  ];
  test.each(hostile.map((text) => [JSON.stringify(text), text]))(
    '%s reach no terminal, condition, event or page',
    (_name, text) => {
      const unseen = /(?!\n)[\p{C}\p{Zl}\p{Zp}]/u;
      for (const clean of [visibleLine, visibleText, plain, storedText, cleanReason]) {
        expect(clean(`a${text}b`)).not.toMatch(unseen);
        // A word that was cut in two is not joined.
        expect(clean(`hun${text}ter2`)).not.toContain('hunter2');
      }
      const line = visibleJson(`${JSON.stringify({ msg: `a${text}b` })}\n`);
      expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(JSON.parse(line)).toEqual({ msg: `a${text}b` });
    },
  );
});

test('a secret that is cut by characters that are not seen does not come together again', () => {
  expect(cleanReason('tok\u200ben-AAAABBBB', 'token-AAAABBBB')).not.toContain('token-AAAABBBB');
  expect(maskSecrets('x a"b\\c x', ['a"b\\c'])).toBe('x *** x');
});
