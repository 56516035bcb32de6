import { expect, test } from '@jest/globals';
import { EnrollSlots } from '../../../activities/enroll/enrollSlots.ts';
import { priorityOf } from '../../../contracts/priority.ts';

test('a tenant with 600 hosts whose BMCs hang leaves slots for the enrolments of others, and all leave some for releases', async () => {
  const slots = new EnrollSlots(500);
  const ends: (() => void)[] = [];
  const hang = () => new Promise<void>((resolve) => ends.push(resolve));
  const enroll = (namespace: string) =>
    slots.use(namespace, hang).then(
      () => 'done',
      () => 'refused',
    );
  const tenant = Array.from({ length: 600 }, () => enroll('tenant'));
  expect(ends).toHaveLength(250);
  const others = Array.from({ length: 5 }, (_, at) => Array.from({ length: 50 }, () => enroll(`other-${at}`))).flat();
  expect(ends).toHaveLength(375);
  for (const end of ends.splice(0)) end();
  const outcomes = await Promise.all([...tenant, ...others]);
  expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(375);
  // What was held is free again.
  const later = enroll('tenant');
  ends[0]?.();
  expect(await later).toBe('done');
});

test('what ends comes before what begins, and namespaces share', () => {
  const key = (kind: Parameters<typeof priorityOf>[0]) => priorityOf(kind).priorityKey ?? 0;
  expect(key('release')).toBeLessThan(key('provision'));
  expect(key('provision')).toBeLessThan(key('enroll'));
  expect(key('enroll')).toBeLessThan(key('monitor'));
  expect(priorityOf('enroll', 'tenant')).toMatchObject({ fairnessKey: 'tenant' });
});
