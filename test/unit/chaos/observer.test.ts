import { expect, test } from '@jest/globals';
import { ToldVersions } from '../../chaos/observer.ts';

const object = (name: string, resourceVersion: number) => ({
  metadata: { name, resourceVersion: String(resourceVersion) },
});
const list = (resourceVersion: number, ...items: ReturnType<typeof object>[]) => ({
  items,
  resourceVersion: String(resourceVersion),
});

test('what a list shows and the watch has not told is not covered', () => {
  const told = new ToldVersions();
  told.replace([object('a', 5), object('b', 6)]);
  expect(told.covers(list(9, object('a', 5), object('b', 6)))).toBe(true);
  expect(told.covers(list(9, object('a', 5), object('b', 8)))).toBe(false);
  expect(told.covers(list(9, object('a', 5), object('b', 6), object('c', 9)))).toBe(false);
});

test('an object that a list no longer shows is covered when its end was told, or its beginning after the list', () => {
  const told = new ToldVersions();
  told.replace([object('a', 5), object('b', 6)]);
  expect(told.covers(list(9, object('a', 5)))).toBe(false);
  told.add('DELETED', object('b', 9));
  expect(told.covers(list(9, object('a', 5)))).toBe(true);
  told.add('ADDED', object('c', 12));
  expect(told.covers(list(9, object('a', 5)))).toBe(true);
});

test('an object that was deleted after the list is covered', () => {
  const told = new ToldVersions();
  told.replace([object('a', 5)]);
  told.add('DELETED', object('a', 12));
  expect(told.covers(list(9, object('a', 5)))).toBe(true);
});

test('waits for the last event that is missing', async () => {
  const told = new ToldVersions();
  told.replace([object('a', 5)]);
  let isCovered = false;
  const waiting = told.untilCovers(list(9, object('a', 9)), new AbortController().signal).then(() => {
    isCovered = true;
  });
  told.add('MODIFIED', object('a', 7));
  await Promise.resolve();
  expect(isCovered).toBe(false);
  told.add('MODIFIED', object('a', 9));
  await waiting;
  expect(isCovered).toBe(true);
});
