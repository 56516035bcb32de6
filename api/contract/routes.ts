import type { TSchema } from 'typebox';
import { Type } from 'typebox';
import { Report } from './reports.ts';
import * as schemas from './schemas.ts';

/** One way in which a call is answered. */
export interface AnswerKind {
  readonly description: string;
  readonly contentType: 'application/json' | 'text/plain' | 'application/octet-stream';
  readonly schema: TSchema;
}

/** One route of the contract: `app.ts` registers it, `openapi.ts` describes it. */
export interface Route {
  readonly id: string;
  readonly method: 'get' | 'post';
  /** With `{name}` for what varies. */
  readonly path: string;
  readonly summary: string;
  readonly auth: 'bearer' | 'nonce' | 'mac';
  readonly query?: Readonly<Record<string, { readonly schema: TSchema; readonly required: boolean }>>;
  readonly body?: { readonly schema: TSchema; readonly required: boolean };
  readonly answers: Readonly<Record<number, AnswerKind>>;
}

const json = (description: string, schema: TSchema): AnswerKind => ({
  description,
  contentType: 'application/json',
  schema,
});

const SCRIPT: AnswerKind = {
  description: 'The iPXE script, the same bytes each time while the claim is armed.',
  contentType: 'text/plain',
  schema: Type.String({ pattern: '^#!ipxe\\n', maxLength: 4096 }),
};
const NOT_FOUND: AnswerKind = { description: 'For every reason.', contentType: 'text/plain', schema: schemas.NotFound };
const BUSY = {
  429: json('Too many requests from this address, or about this host from it.', schemas.TooManyRequests),
  503: json('Too early, or it cannot be stored or read now.', schemas.TryAgain),
};
const UNAUTHORIZED = { 401: json('The bearer is not that of the claim, for every reason.', schemas.Unauthorized) };
const ACCEPTED = { 202: json('It is stored; also when it comes again.', schemas.Accepted) };
const CONFLICT = { 409: json('The claim is being released, or failed before.', schemas.Conflict) };
const BODY = {
  400: json('What was sent is wrong; everything that is.', schemas.BadRequest),
  408: json('The body did not arrive within 15 s.', schemas.TooSlow),
  413: json('The body is too large.', schemas.TooLarge),
  415: json('The body is not application/json.', schemas.UnsupportedMediaType),
};

/** Every route of port 8082 but `/images/`, in the order of the contract. */
export const ROUTES = [
  {
    id: 'serveBootScript',
    method: 'get',
    path: '/api/v1/boot/{namespace}/{host}/{nonce}',
    summary: 'The boot script of an armed host.',
    auth: 'nonce',
    query: { mac: { schema: schemas.MacAddress, required: false } },
    answers: { 200: SCRIPT, 404: NOT_FOUND, ...BUSY },
  },
  {
    id: 'serveBootScriptByMac',
    method: 'get',
    path: '/api/v1/boot',
    summary: 'The boot script of the one armed host with this MAC address; only with --boot-by-mac.',
    auth: 'mac',
    query: { mac: { schema: schemas.MacAddress, required: true } },
    answers: { 200: SCRIPT, 404: NOT_FOUND, ...BUSY },
  },
  {
    id: 'takeInspection',
    method: 'post',
    path: '/api/v1/inspection/{namespace}/{host}',
    summary: 'Stores the hardware report.',
    auth: 'bearer',
    body: { schema: Report, required: true },
    answers: { ...ACCEPTED, ...BODY, ...UNAUTHORIZED, ...BUSY },
  },
  {
    id: 'serveBootstrap',
    method: 'get',
    path: '/api/v1/bootstrap/{namespace}/{host}',
    summary: 'The bootstrap data, byte for byte, once the hardware has passed; empty when none is due.',
    auth: 'bearer',
    answers: {
      200: {
        description:
          'The bootstrap data. Header Beskar7-Bootstrap-Format: cloud-config or ignition, where its Secret has it as `format`. Header Beskar7-Meta-Data: base64 of JSON with node_labels, failure_domain and region.',
        contentType: 'application/octet-stream',
        schema: Type.Unsafe({ type: 'string', format: 'binary' }),
      },
      ...UNAUTHORIZED,
      404: NOT_FOUND,
      ...BUSY,
    },
  },
  {
    id: 'takeProvisioned',
    method: 'post',
    path: '/api/v1/provisioned/{namespace}/{host}',
    summary: 'The inspector is about to start the final OS.',
    auth: 'bearer',
    answers: { ...ACCEPTED, ...UNAUTHORIZED, ...CONFLICT, ...BUSY },
  },
  {
    id: 'takeProvisionFailed',
    method: 'post',
    path: '/api/v1/provision-failed/{namespace}/{host}',
    summary: 'The inspector gives up.',
    auth: 'bearer',
    body: { schema: schemas.Failure, required: false },
    answers: { ...ACCEPTED, ...BODY, ...UNAUTHORIZED, ...CONFLICT, ...BUSY },
  },
  {
    id: 'takeOsReady',
    method: 'post',
    path: '/api/v1/os-ready/{namespace}/{host}',
    summary: 'The final OS says that it is up.',
    auth: 'bearer',
    answers: { ...ACCEPTED, ...UNAUTHORIZED, ...CONFLICT, ...BUSY },
  },
] as const satisfies readonly Route[];

/** Names of the routes: the keys of their handlers, and `operationId` in docs/openapi.yaml. */
export type RouteId = (typeof ROUTES)[number]['id'];

/** The schema of each `{name}` in a path. */
export const PATH_PARAMETERS: Readonly<Record<string, TSchema>> = {
  namespace: schemas.Namespace,
  host: schemas.HostName,
  nonce: schemas.Nonce,
};
