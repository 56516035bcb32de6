import { expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import pino, { type Logger } from 'pino';
import { lineOptions } from '../../../workers/logger.ts';

function logged(write: (logger: Logger) => void): Record<string, unknown> {
  const lines: string[] = [];
  write(pino(lineOptions({ level: 'info' }), { write: (line) => void lines.push(line) }));
  expect(lines).toHaveLength(1);
  return JSON.parse(lines.join('')) as Record<string, unknown>;
}

test.each(['err', 'error'])(
  'an error in the field %s: its kind, message, stack and causes, and no other property',
  (field) => {
    const error = Object.assign(new TypeError('it broke', { cause: new Error('a cable') }), {
      code: 'ECABLE',
      request: { headers: { authorization: 'Basic c2VjcmV0' } },
    });
    const line = logged((logger) => logger.warn({ [field]: error }, 'Activity failed'));
    expect(line[field]).toEqual({
      type: 'TypeError',
      code: 'ECABLE',
      message: 'it broke',
      stack: expect.stringContaining('TypeError: it broke'),
      cause: { type: 'Error', message: 'a cable', stack: expect.any(String) },
    });
  },
);

test('the type of an ApplicationFailure is what it says itself; what is no error is logged as it is', () => {
  const failure = ApplicationFailure.create({
    message: 'no answer',
    type: 'BmcFailure',
    details: [{ kind: 'Timeout' }],
  });
  expect(logged((logger) => logger.warn({ error: failure }))['error']).toEqual({
    type: 'BmcFailure',
    message: 'no answer',
    stack: expect.any(String),
  });
  expect(logged((logger) => logger.warn({ error: 'no answer' }))['error']).toBe('no answer');
});

test('a chain of causes that bites its tail ends', () => {
  const error = new Error('round');
  error.cause = error;
  expect(JSON.stringify(logged((logger) => logger.warn({ err: error }))).match(/"message":"round"/g)).toHaveLength(6);
});

test('fields that hold secrets are cut out', () => {
  const line = logged((logger) => logger.info({ password: 'hunter2', bmc: { token: 'opensesame' } }, 'x'));
  expect(line).toMatchObject({ password: '[secret]', bmc: { token: '[secret]' } });
});
