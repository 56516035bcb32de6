import { RedfishError } from './error.ts';

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
  'UND_ERR_CONNECT_TIMEOUT',
]);
const LOST_CONNECTION = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'UND_ERR_SOCKET']);
const CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH)/;
const UNTRUSTED = /^(UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;

/** The operator's words for an error of Node or undici; `what` is such as `GET /redfish/v1/ at 10.0.0.1`. */
export function connectionError(what: string, error: Error, mayHaveLanded: boolean): RedfishError {
  const code = codeOf(error);
  const details = { cause: error, mayHaveLanded };
  if (CERTIFICATE.test(code) || code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const message = `${what} failed: the BMC's certificate was not accepted (${code})${certificateAdvice(code)}`;
    return new RedfishError('Tls', message, details);
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    const message = `${what} failed in the TLS handshake (${code}): the BMC must speak TLS 1.2 or newer; for plain HTTP the address begins with http://`;
    return new RedfishError('Tls', message, details);
  }
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
  if (code === 'UND_ERR_INVALID_ARG') {
    return new RedfishError('Protocol', `${what} cannot be sent: ${error.message}`, { cause: error });
  }
  const reason = code === '' ? error.name : code;
  return new RedfishError('Protocol', `${what} failed: the answer is not proper HTTP (${reason})`, {
    ...details,
    retryable: true,
  });
}

function certificateAdvice(code: string): string {
  if (UNTRUSTED.test(code)) {
    return ': give its CA in caBundleSecretRef, or set insecureSkipVerify when the network is trusted';
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') {
    return ': it is not made out to this address; use the name in the certificate, or set insecureSkipVerify';
  }
  return ': check its dates and the CA bundle, or set insecureSkipVerify';
}

/** The error's code; of several addresses tried (AggregateError), that of the first. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return '';
}
