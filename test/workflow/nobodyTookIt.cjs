'use strict';
const { DefaultFailureConverter, TimeoutFailure } = require('@temporalio/common');

/**
 * In the workflows of the tests, `NobodyTookIt` of an activity is what Temporal says when nobody took a call. The test
 * server does not skip time while a call waits in a queue without a worker, so that the real thing would take a minute.
 */
class Converter extends DefaultFailureConverter {
  failureToError(failure, payloadConverter) {
    return failure.applicationFailureInfo?.type === 'NobodyTookIt'
      ? new TimeoutFailure('activity ScheduleToStart timeout', undefined, 'SCHEDULE_TO_START')
      : super.failureToError(failure, payloadConverter);
  }
}

module.exports = { failureConverter: new Converter() };
