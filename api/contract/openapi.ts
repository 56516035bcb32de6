import { PATH_PARAMETERS, ROUTES, type AnswerKind, type Route } from './routes.ts';

type Json = Record<string, unknown>;

/**
 * The contract as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), out of the table that the router is
 * made of.
 */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES) paths[route.path] = { [route.method]: operationOf(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Beskar7 callbacks',
      version: '1',
      description:
        'What a booting server asks and tells (docs/spec/callback-contract.md). The boot listener serves the two boot routes only. Files under /images/ are ' +
        'plain GETs with Range. Any other path or method is the 404 of the boot routes.',
    },
    servers: [{ url: 'http://127.0.0.1:8082', description: 'https with --tls-cert-dir' }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The token of the claim, out of the boot script.' },
      },
      headers: {
        RequestId: { description: 'Of the audit line in the log.', schema: { type: 'string', format: 'uuid' } },
        RetryAfter: { description: 'In seconds.', schema: { type: 'integer', minimum: 1, maximum: 30 } },
      },
    },
  };
}

function operationOf(route: Route): Json {
  const { id, summary, auth, body } = route;
  const answers = Object.entries(route.answers).map(([status, answer]) => [status, answerOf(Number(status), answer)]);
  return {
    operationId: id,
    summary,
    security: auth === 'bearer' ? [{ bearer: [] }] : [],
    parameters: parametersOf(route),
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.required, content: { 'application/json': { schema: plain(body.schema) } } } }),
    responses: Object.fromEntries(answers) as Json,
  };
}

function parametersOf({ path, query = {} }: Route): Json[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return [
    ...names.map((name) => ({ name, in: 'path', required: true, schema: plain(PATH_PARAMETERS[name]) })),
    ...Object.entries(query).map(([name, { schema, required }]) => ({
      name,
      in: 'query',
      required,
      schema: plain(schema),
    })),
  ];
}

function answerOf(status: number, { description, contentType, schema }: AnswerKind): Json {
  const retry = status === 429 || status === 503 ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {};
  return {
    description,
    headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' }, ...retry },
    content: { [contentType]: { schema: plain(schema) } },
  };
}

/** A typebox schema as plain JSON Schema, without typebox's symbols. */
function plain(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema)) as unknown;
}
