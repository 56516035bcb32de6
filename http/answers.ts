import { Type } from 'typebox';
import { integer, list, oneOf } from '../crds/schema.ts';

export const BadRequest = Type.Object(
  {
    error: oneOf(['invalid report', 'invalid body', 'incomplete body']),
    problems: list(Type.String(), 101, { description: 'Everything that is wrong, each with the path to it.' }),
  },
  { additionalProperties: false },
);

export const TooLarge = Type.Object(
  { error: Type.Literal('too large'), limitBytes: integer(1, 1_048_576) },
  { additionalProperties: false },
);

export const UnsupportedMediaType = Type.Object(
  { error: Type.Literal('send application/json') },
  { additionalProperties: false },
);

export const TooSlow = Type.Object({ error: Type.Literal('too slow') }, { additionalProperties: false });
