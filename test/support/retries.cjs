// On a loaded machine a bound can be missed once: a failed test is run again, at most twice, and each failure is printed.
jest.retryTimes(2, { logErrorsBeforeRetry: true });
