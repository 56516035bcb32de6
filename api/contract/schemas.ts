import { Type } from 'typebox';
import { oneOf, text } from '../../crds/schema.ts';

export { BadRequest, TooLarge, TooSlow, UnsupportedMediaType } from '../../http/answers.ts';

/**
 * What callers send and are answered, but for the hardware report. The routes check with these, and `docs/openapi.yaml`
 * is made of them.
 */

/** `{namespace}` in a path: a DNS label (RFC 1123). */
export const Namespace = text(63, {
  minLength: 1,
  pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
  description: 'Namespace of the PhysicalHost.',
});

/** `{host}` in a path: a DNS subdomain (RFC 1123). */
export const HostName = text(253, {
  minLength: 1,
  pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
  description: 'Name of the PhysicalHost.',
});

/** `{nonce}` in the path of a boot script. */
export const Nonce = text(43, {
  minLength: 43,
  pattern: '^[A-Za-z0-9_-]{43}$',
  description: '32 random bytes in base64url, good for one claim and ten minutes. Never log it.',
});

/** Query parameter `mac` of a boot script; compared without regard to case and separator. */
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

/** 202: what was sent is stored, now or by an earlier call. */
export const Accepted = Type.Object({ status: Type.Literal('accepted') }, { additionalProperties: false });

/** 401: the bearer is not that of the host's claim. */
export const Unauthorized = Type.Object(
  { error: Type.Literal('unauthorized') },
  { additionalProperties: false, description: 'Always the same bytes, whatever was wrong.' },
);

/** 404, as text/plain: no script or no bootstrap data is served, for whatever reason. */
export const NotFound = Type.Literal('not found', { description: 'Always the same bytes, whatever was wrong.' });

/** 429, with Retry-After. */
export const TooManyRequests = Type.Object(
  {
    error: Type.Literal('too many requests'),
    reason: Type.Optional(Type.String({ description: 'Why, where it is not the number of requests alone.' })),
  },
  { additionalProperties: false },
);

/** 409: the claim is being released, or failed before. Not to be repeated. */
export const Conflict = Type.Object(
  { error: Type.Literal('conflict'), reason: Type.String() },
  { additionalProperties: false, description: 'The claim can no longer get there.' },
);

/** 503, with Retry-After. */
export const TryAgain = Type.Object(
  { error: oneOf(['not ready yet', 'temporarily unavailable']) },
  { additionalProperties: false, description: 'Nothing is wrong with the call; send it again after Retry-After.' },
);
