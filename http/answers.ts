import { Type } from 'typebox';
import { integer, list, oneOf } from '../crds/schema.ts';

/** 400: the body is not what the route takes. Not to be repeated as it is. */
export const BadRequest = Type.Object(
  {
    error: oneOf(['invalid report', 'invalid body', 'incomplete body']),
    problems: list(Type.String(), 101, { description: 'Everything that is wrong, each with the path to it.' }),
  },
  { additionalProperties: false },
);

/** 413: the body has more than `limitBytes` bytes. */
export const TooLarge = Type.Object(
  { error: Type.Literal('too large'), limitBytes: integer(1, 1_048_576) },
  { additionalProperties: false },
);

/** 415: another Content-Type than application/json. */
export const UnsupportedMediaType = Type.Object(
  { error: Type.Literal('send application/json') },
  { additionalProperties: false },
);

/** 408: the body did not arrive in time; the connection is closed. */
export const TooSlow = Type.Object({ error: Type.Literal('too slow') }, { additionalProperties: false });
