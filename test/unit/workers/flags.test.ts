import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { namedFlags } from '../../../workers/flags.ts';

interface FlagSchema {
  readonly type: readonly string[];
  readonly pattern?: string;
}
const chart = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '../../../deploy/helm/values.schema.json'), 'utf8'),
) as { properties: { flags: { additionalProperties: boolean; properties: Record<string, FlagSchema> } } };
const { flags } = chart.properties;
const takes = (flag: string, value: string) => new RegExp(flags.properties[flag]?.pattern ?? '').test(value);

test('names follow from the table', () => {
  expect(namedFlags()).toContainEqual(
    expect.objectContaining({ name: '--web-temporal-ui-url', variable: 'BESKAR7_WEB_TEMPORAL_UI_URL' }),
  );
});

describe("the chart's schema", () => {
  test('knows every flag and no other', () => {
    expect(flags.additionalProperties).toBe(false);
    expect(Object.keys(flags.properties)).toEqual(namedFlags().map(({ name }) => name.slice(2)));
  });

  test.each(namedFlags().filter(({ initial }) => initial !== undefined))(
    'takes $name=$initial',
    ({ name, initial }) => {
      expect(takes(name.slice(2), initial ?? '')).toBe(true);
    },
  );

  test.each([
    ['resync', 'soon', false],
    ['resync', '5s', true],
    ['resync', '${RESYNC:=5s}', true],
    ['power-on-rate', 'fast', false],
    ['power-on-rate', '0.2', true],
    ['boot-by-mac', 'yes', false],
    ['log-level', 'loud', false],
    ['log-level', 'debug', true],
  ])('%s: %s is taken: %j', (flag, value, isTaken) => expect(takes(flag, value)).toBe(isTaken));
});
