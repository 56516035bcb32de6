import { RedfishError } from './error.ts';
import { isTlsCode, tlsFailure } from './tls.ts';

const NO_CONNECTION = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
]);
const LOST_CONNECTION = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE']);

/** The operator's words for an error of a socket; `what` is such as `GET /redfish/v1/ at 10.0.0.1`. */
export function connectionError(what: string, error: Error, mayHaveLanded: boolean): RedfishError {
  const code = codeOf(error);
  const details = { cause: error, mayHaveLanded };
  if (isTlsCode(code)) return new RedfishError('Tls', `${what} failed: ${tlsFailure(code, error)}`, details);
  if (NO_CONNECTION.has(code)) {
    const advice =
      code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'its name cannot be resolved' : 'it cannot be reached';
    const message = `${what} failed: ${advice} (${code}); check the BMC's address, its network and that it is on`;
    return new RedfishError('Unreachable', message, details);
  }
  if (LOST_CONNECTION.has(code)) {
    const outcome = mayHaveLanded ? '; whether it took effect is not known' : '';
    const message = `${what} failed: the BMC closed the connection (${code})${outcome}`;
    return new RedfishError('Unreachable', message, { ...details, lostConnection: true });
  }
  const reason = code === '' ? error.name : code;
  return new RedfishError('Protocol', `${what} failed: the connection broke (${reason})`, {
    ...details,
    retryable: true,
  });
}

/** The error's code; of several addresses tried (AggregateError), that of the first. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return '';
}
