import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseObject } from '../../../redfish/json.ts';

test.each<[string, string, unknown]>([
  ['a byte order mark', '\ufeff{"a":1}', { a: 1 }],
  ['a zero byte at the end', '{"a":1}\0', { a: 1 }],
  ['the rest of another answer at the end', '{"PowerState":"Off"}"On"}]}', { PowerState: 'Off' }],
  ['two answers: the first', '{"PowerState":"Off"}{"PowerState":"On"}', { PowerState: 'Off' }],
  ['a tab and a line break in a text', '{"a":"b\tc\nd"}', { a: 'b c d' }],
  ['an escape that is none', '{"a":"C:\\x \\" \\\\"}', { a: 'C:x " \\' }],
  ['no numbers', '{"a":NaN,"b":-Infinity,"c":[Infinity,1]}', { a: null, b: null, c: [null, 1] }],
  ['words like them in texts', '{"a":"NaN, Infinity,}","b":"\t"}', { a: 'NaN, Infinity,}', b: ' ' }],
  ['commas at the end', '{"a":[1,2, ],"b":{"c":1,\n},}', { a: [1, 2], b: { c: 1 } }],
  ['braces in a text', '{"a":"}","b":2}}', { a: '}', b: 2 }],
  ['cut', '{"PowerState":"Off"', undefined],
  ['cut in a text', '{"PowerState":"Off","a":"b}', undefined],
  ['a list', '[{"PowerState":"Off"}]', undefined],
  ['no JSON', '<html>{"PowerState":"Off"}</html>', undefined],
  ['names without quotes', "{PowerState:'Off'}", undefined],
  ['two commas', '{"a":1,,"b":2}', undefined],
  ['another bracket', '{"a":[1}', undefined],
])('%s', (_what, text, value) => {
  expect(parseObject(text)).toEqual(value);
});

test('whatever follows an object, it is read as it is', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (object, rest) => {
      const text = JSON.stringify(object);
      expect(parseObject(`${text}\0${rest}`)).toEqual(JSON.parse(text));
    }),
  );
});

test.each(['{"a":"' + '\\"'.repeat(500_000), '{"a":' + '"\t",'.repeat(200_000), '{' + 'NaN,'.repeat(200_000) + '}'])(
  'no text of 1 MB holds the process up',
  (text) => {
    const startedMs = performance.now();
    expect(parseObject(text)).toBeUndefined();
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  },
);
