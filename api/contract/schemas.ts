import { Type } from 'typebox';
import { oneOf, text } from '../../crds/schema.ts';

export { BadRequest, TooLarge, TooSlow, UnsupportedMediaType } from '../../http/answers.ts';

/**
 * What callers send and are answered, but for the hardware report. The routes check with these, and `docs/openapi.yaml`
 * is made of them.
 */

export const Namespace = text(63, {
  minLength: 1,
  pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
  description: 'Namespace of the PhysicalHost.',
});

export const HostName = text(253, {
  minLength: 1,
  pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
  description: 'Name of the PhysicalHost.',
});

export const Nonce = text(43, {
  minLength: 43,
  pattern: '^[A-Za-z0-9_-]{43}$',
  description: '32 random bytes in base64url, good for one claim and ten minutes. Never log it.',
});

export const MacAddress = text(17, {
  minLength: 17,
  pattern: '^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$',
  description: 'MAC address of the NIC that boots, with colons or dashes.',
});

/** Body of `/provision-failed`. */
export const Failure = Type.Object(
  {
    reason: Type.Optional(
      Type.String({
        description:
          'Why, for people: printable characters, of which the first 256 bytes are kept. A bearer in it is cut out.',
      }),
    ),
  },
  { description: 'Why provisioning was given up. Other keys are ignored.' },
);

export const Accepted = Type.Object({ status: Type.Literal('accepted') }, { additionalProperties: false });

export const Unauthorized = Type.Object(
  { error: Type.Literal('unauthorized') },
  { additionalProperties: false, description: 'Always the same bytes, whatever was wrong.' },
);

export const NotFound = Type.Literal('not found', { description: 'Always the same bytes, whatever was wrong.' });

export const TooManyRequests = Type.Object(
  {
    error: Type.Literal('too many requests'),
    reason: Type.Optional(Type.String({ description: 'Why, where it is not the number of requests alone.' })),
  },
  { additionalProperties: false },
);

export const Conflict = Type.Object(
  { error: Type.Literal('conflict'), reason: Type.String() },
  { additionalProperties: false, description: 'The claim can no longer get there.' },
);

export const TryAgain = Type.Object(
  { error: oneOf(['not ready yet', 'temporarily unavailable']) },
  { additionalProperties: false, description: 'Nothing is wrong with the call; send it again after Retry-After.' },
);
