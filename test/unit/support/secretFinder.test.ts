import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SecretFinder } from '../../support/secretFinder.ts';

const TOKEN = randomBytes(32).toString('base64url');
const DATA = '#cloud-config\n"pass": \u00e4 word\\';
const finder = new SecretFinder(
  new Map([
    [TOKEN, 'a token'],
    [DATA, 'bootstrap data'],
    ['short', 'too short'],
  ]),
);

describe('a secret is found', () => {
  test.each([
    ['as it is', `beskar7.token=${TOKEN} `, ['a token']],
    ['at the very end', TOKEN, ['a token']],
    ['in JSON', JSON.stringify({ message: `x ${DATA} y` }), ['bootstrap data']],
    ['in a URL', `http://x/?d=${encodeURIComponent(DATA)}`, ['bootstrap data']],
    ['both', `${TOKEN}${DATA}${TOKEN}`, ['a token', 'bootstrap data']],
    ['not', `${TOKEN.slice(0, 42)} short`, []],
    ['not in nothing', '', []],
  ])('%s', (_name, text, kinds) => expect(finder.find(text)).toEqual(kinds));

  test('in base64, whatever stands before and behind it', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 7 }), fc.string({ maxLength: 7 }), (before, after) => {
        expect(finder.find(Buffer.from(`${before}${TOKEN}${after}`).toString('base64'))).toEqual(['a token']);
      }),
    );
    expect(finder.find(`Basic ${Buffer.from(`admin:${TOKEN}`).toString('base64')}`)).toEqual(['a token']);
  });

  test('and nothing is found where none is', () => {
    fc.assert(fc.property(fc.string(), (text) => expect(finder.find(text)).toEqual([])));
  });
});
