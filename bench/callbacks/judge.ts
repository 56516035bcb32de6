import { Value } from 'typebox/value';
import { ROUTES, type Route } from '../../api/contract/routes.ts';
import type { HostileRequest } from './hostile.ts';

/** What came back. */
export interface GivenAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly requestId: string;
  readonly body: string;
}

const UNAUTHORIZED = '{"error":"unauthorized"}';
const NOT_FOUND = 'not found';

/**
 * What is wrong with an answer to a hostile request by the contract; undefined: nothing. No 5xx but "not ready yet",
 * which only a right bearer gets; the refusals byte for byte; status, type and body as the OpenAPI document says.
 */
export function faultOf(request: HostileRequest, answer: GivenAnswer): string | undefined {
  const { status, body, contentType } = answer;
  if (!/^[0-9a-f-]{36}$/.test(answer.requestId)) return 'it has no request id';
  if (status >= 500 && body !== '{"error":"not ready yet"}') return `it is a ${status}`;
  if (status === 401 && body !== UNAUTHORIZED && request.method !== 'HEAD') return 'a 401 of other bytes';
  if (status === 404 && body !== NOT_FOUND && request.method !== 'HEAD') return 'a 404 of other bytes';
  if (status === 404 || request.method === 'HEAD') return undefined;
  const kind = routesOf(request).flatMap(({ answers }) =>
    Object.entries(answers).filter(([key]) => Number(key) === status),
  );
  const known = kind[0]?.[1];
  if (known === undefined) return isImage(request) ? undefined : `a ${status} that is not in the contract`;
  if (contentType.split(';')[0] !== known.contentType) return `its type is ${contentType}`;
  if (known.contentType !== 'application/json') return undefined;
  return Value.Check(known.schema, parsed(body)) ? undefined : `its body is not as in the contract (${status})`;
}

function routesOf({ method, path }: HostileRequest): Route[] {
  const [plain = ''] = path.split('?');
  return ROUTES.filter((route) => {
    if (route.method !== method.toLowerCase()) return false;
    const pattern = route.path.replace(/\{\w+\}/g, '[^/]+');
    return new RegExp(`^${pattern}/?$`, 'i').test(plain);
  });
}

function isImage({ path }: HostileRequest): boolean {
  return path.startsWith('/images/');
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
