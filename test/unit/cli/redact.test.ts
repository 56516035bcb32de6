import { describe, expect, test } from '@jest/globals';
import { historyWithoutSecrets, withoutSecrets } from '../../../cli/redact.ts';
import type { PhysicalHost } from '../../../crds/physicalHost.ts';
import { claimedHost, handled, machine } from '../controllers/builders.ts';

describe('what an export says of a URL', () => {
  test.each([
    ['who asks', 'https://ann:secret@images/os.img', 'https://redacted@images/os.img'],
    ['a password with an @', 'https://ann:sec@ret@images/os.img', 'https://redacted@images/os.img'],
    ['a scheme in capitals', 'HTTPS://ann:secret@images/os.img?key=secret', 'HTTPS://redacted@images/os.img?redacted'],
    ['an @ in the path is no one who asks', 'https://images/os@1.img', 'https://images/os@1.img'],
    ['within a sentence', 'GET http://a:b@c/d?e=f failed', 'GET http://redacted@c/d?redacted failed'],
  ])('%s', (_what, text, cleaned) => {
    expect(withoutSecrets({ targetOSImage: text })).toEqual({ targetOSImage: cleaned });
  });
});

const S = 'hunter2Geheim';
const B64 = Buffer.from(S).toString('base64');
const PEM = `-----BEGIN RSA PRIVATE KEY-----\n${S}\n-----END RSA PRIVATE KEY-----`;
const CLOUD_INIT = `#cloud-config\nchpasswd: {list: "root:${S}"}\nusers: [{name: a, passwd: ${S}}]`;
const CLOUD_BASE64 = Buffer.from(CLOUD_INIT).toString('base64');
const annotated = (annotations: Record<string, string>) => machine({ metadata: { annotations } });
const specced = (more: object) => ({ ...machine(), spec: { ...machine().spec, ...more } });
const conditioned = (message: string): object => {
  const condition = {
    type: 'Ready',
    status: 'False',
    reason: 'X',
    message,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  return { ...machine(), status: { conditions: [condition] } };
};
const encoded = (value: unknown, encoding = 'json/plain') => ({
  metadata: { encoding: Buffer.from(encoding).toString('base64') },
  data: Buffer.from(typeof value === 'string' && encoding !== 'json/plain' ? value : JSON.stringify(value)).toString(
    'base64',
  ),
});
const event = (message: string, component: string) => ({
  kind: 'Event',
  metadata: { name: 'e', namespace: 'ns' },
  involvedObject: { kind: 'Beskar7Machine', name: 'm' },
  reason: 'X',
  message,
  source: { component },
});
const owner = (more: object) => ({ kind: 'Machine', metadata: { name: 'o' }, spec: { clusterName: 'c', ...more } });

const forms: [string, () => unknown][] = [
  ['URL: user and password', () => specced({ targetOSImage: `https://ann:${S}@images/os.img` })],
  ['URL: user alone', () => specced({ targetOSImage: `https://${S}@images/os.img` })],
  ['URL: query', () => specced({ targetOSImage: `https://images/os.img?X-Amz-Signature=${S}` })],
  ['URL: query without a name', () => specced({ targetOSImage: `https://images/os.img?${S}` })],
  ['URL: fragment', () => specced({ targetOSImage: `https://images/os.img#${S}` })],
  ['URL: percent-encoded userinfo', () => specced({ targetOSImage: `https://a%3A${S}@images/os.img` })],
  ['URL: path of a configuration', () => specced({ configurationURL: `https://config/${S}/user-data` })],
  ['URL: other scheme in a message', () => conditioned(`GET ftp://ann:${S}@images/x failed`)],
  ['boot nonce in a path', () => conditioned(`http://10.0.0.1:8083/api/v1/boot/default/h/${S}`)],
  ['bearer in a message', () => conditioned(`Authorization: Bearer ${S}`)],
  ['bearer in capitals', () => conditioned(`AUTHORIZATION: BEARER ${S}`)],
  ['Basic in a message', () => conditioned(`sent Basic ${B64}`)],
  ['bearer percent-encoded', () => conditioned(`Authorization=Bearer%20${S}`)],
  ['kernel command line', () => conditioned(`quiet beskar7.token=${S} x`)],
  ['JSON web token', () => conditioned(`eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0aaaa.${S}`)],
  ['PEM in a message', () => conditioned(PEM)],
  ['PEM that breaks off', () => conditioned(`-----BEGIN PRIVATE KEY-----\n${S}`)],
  ['named in a message', () => conditioned(`ipmitool -U root password=${S}`)],
  ['JSON in a message', () => conditioned(`{"token":"${S}"}`)],
  ['header in a JSON escape', () => annotated({ note: `{"h":"\\u0042earer ${S}"}` })],
  ['bearer in a JSON escape', () => annotated({ 'beskar7.io/handled': `{"specHash":"\\u0042earer ${S}"}` })],
  [
    'last-applied-configuration',
    () => annotated({ 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ spec: { password: S } }) }),
  ],
  ['last-applied of another tool', () => annotated({ 'config.k8s.io/last-applied': `spec: {x: ${S}}` })],
  ['any annotation', () => annotated({ 'example.com/note': S })],
  ['annotation of ours that nobody knows', () => annotated({ 'beskar7.io/other': S })],
  ['reason of a force-release', () => annotated({ 'beskar7.io/force-release': `the password is ${S}` })],
  ['base64 in an annotation', () => annotated({ 'example.com/data': B64 })],
  ['retry with a secret sentence', () => annotated({ 'beskar7.io/retry': `token=${S}` })],
  ['cloud-init in an annotation', () => annotated({ 'example.com/user-data': CLOUD_INIT })],
  ['cloud-init in a field', () => specced({ userData: CLOUD_INIT })],
  ['cloud-init in base64', () => specced({ userData: Buffer.from(CLOUD_INIT).toString('base64') })],
  ['list of environment', () => specced({ env: [{ name: 'ADMIN', value: S }] })],
  ['list of arguments', () => specced({ args: ['--password', S] })],
  ['field with an odd name', () => specced({ pwd: S })],
  ['field in another language', () => specced({ kennwort: S })],
  ['field as a number', () => specced({ pin: 48151623 })],
  ['nested field', () => specced({ more: { deep: [{ deeper: S }] } })],
  ['name of a field', () => specced({ [`${S}-x`]: 1 })],
  ['label', () => machine({ metadata: { labels: { 'example.com/t': S } } })],
  ['selector', () => specced({ hostSelector: { matchLabels: { t: S } } })],
  ['token of a boot', () => ({ ...claimedHost('Armed'), status: { bootToken: { hash: S } } })],
  ['hashes in a claim', () => claimedHost('Armed', {}, {}, { tokenHash: S, nonceHash: S })],
  ['another field in a claim', () => claimedHost('Armed', {}, {}, { more: S } as never)],
  ['managed fields', () => machine({ metadata: { managedFields: [{ manager: S }] } as never })],
  ['event of another writer', () => event(`password is ${S}`, 'kubelet')],
  ['event of ours', () => event(`sent Bearer ${S}`, 'beskar7')],
  ['owner: annotation', () => ({ ...owner({}), metadata: { name: 'o', annotations: { x: S } } })],
  ['owner: field', () => owner({ providerSecret: S })],
  [
    'owner: condition of another writer',
    () => ({
      ...owner({}),
      status: { conditions: [{ type: 'Ready', message: `the secret is ${S}` }] },
    }),
  ],
  ['result of a run', () => ({ kind: 'failed', message: `GET https://ann:${S}@10.0.0.5 failed, Bearer ${S}` })],
  ['result of a run: another field', () => ({ kind: 'failed', message: 'x', said: S })],
  ['object of another kind', () => ({ kind: 'Secret', message: `it is ${S}` })],
  ['object of a kind that is none', () => ({ kind: ['failed'], message: `it is ${S}` })],
  ['characters that are not seen', () => conditioned(`Bearer\u200b ${S}`)],
];
/** 48151623 is the one that is a number. */
const isLeaked = (value: unknown) => {
  const text = JSON.stringify(value);
  return [S, B64, B64.slice(2, 16), '48151623', CLOUD_INIT.slice(-20), CLOUD_BASE64].some((form) =>
    text.includes(form),
  );
};

describe('a secret in an odd place is not in an export', () => {
  test('there are enough of them', () => expect(forms.length).toBeGreaterThanOrEqual(37));
  test.each(forms)('%s', (_what, make) => {
    expect(isLeaked(make())).toBe(true);
    expect(isLeaked(withoutSecrets(make()))).toBe(false);
    // The same in what a run is given, or gives back.
    const payloads = { payloads: [encoded(make())] };
    const history = { events: [{ eventType: 'X', workflowExecutionSignaledEventAttributes: { input: payloads } }] };
    const cleaned = JSON.stringify(historyWithoutSecrets(history));
    for (const [data = ''] of cleaned.matchAll(/(?<="data":")[^"]*/g))
      expect(isLeaked(Buffer.from(data, 'base64').toString())).toBe(false);
  });
  test.each([
    ['a payload that is no JSON', encoded(S, 'binary/plain')],
    ['a payload that is encrypted', encoded(S, 'binary/encrypted')],
    ['a payload with another field', encoded({ note: S })],
    ['a failure with a bearer', { failure: { message: `Bearer ${S}`, stackTrace: `at x Bearer ${S}` } }],
    ['a URL in a summary', encoded(`https://a:${S}@b/c`)],
  ])('of a history: %s', (_what, value) => {
    const cleaned = JSON.stringify(historyWithoutSecrets({ events: [value] }));
    expect(isLeaked(cleaned)).toBe(false);
    const data = /"data":"([^"]*)"/.exec(cleaned)?.[1] ?? '';
    expect(isLeaked(Buffer.from(data, 'base64').toString())).toBe(false);
  });
});

test('what helps is still there', () => {
  const of = machine({
    metadata: { labels: { 'topology.kubernetes.io/zone': 'a' } },
    spec: { hardwareRequirements: { minCPUCores: 4 }, targetOSImage: 'https://images/os.img' },
  });
  const whole = { ...of, metadata: { ...of.metadata, annotations: handled(of, 'Failed') } };
  expect(withoutSecrets(whole)).toEqual(whole);
  const { metadata, spec, status } = withoutSecrets(claimedHost('Armed', { state: 'Inspecting' })) as PhysicalHost;
  expect([metadata.name, spec.consumerRef?.name, status?.state]).toEqual(['h', 'm', 'Inspecting']);
  expect(JSON.parse(metadata.annotations?.['beskar7.io/claim'] ?? '')).toMatchObject({ stage: 'Armed', id: 'claim-1' });
});

test('the instants that a run waits for are shown: it replays by them', () => {
  const results = [{ inFlightUntil: '2026-11-30T16:00:00Z' }, { kind: 'inFlight', until: '2026-11-30T16:00:00Z' }];
  for (const result of results) expect(withoutSecrets(result)).toEqual(result);
});

test.each([
  { kind: 'failed', message: 'the BMC of host h does not answer (10.0.0.5: ETIMEDOUT)', retryInMs: 2_000 },
  { kind: 'notDue', message: 'PhysicalHost ns/h is claimed' },
  { kind: 'refused', reason: 'Paused', message: 'Beskar7Machine ns/m is paused' },
])('why a step did not do its work is shown: $kind', (result) => {
  expect(withoutSecrets(result)).toEqual(result);
  const history = historyWithoutSecrets({ events: [encoded(result)] }) as { events: [{ data: string }] };
  expect(JSON.parse(Buffer.from(history.events[0].data, 'base64').toString())).toEqual(result);
});
