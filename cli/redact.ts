/** What stands in the place of a secret. */
export const REDACTED = 'redacted';

/** Fields that hold secrets, whatever stands in them. Names of Secrets (`credentialsSecretRef`) are none. */
const SECRET_FIELDS =
  /^(password|passwd|token|bearer|nonce|authorization|api-?key|private-?key|client-?secret|secret|tokenHash|nonceHash)$/i;
/** Annotations and fields that say again what stands elsewhere, or who wrote what. */
const LEFT_OUT = new Set(['managedFields', 'kubectl.kubernetes.io/last-applied-configuration', 'bootToken']);

/** A copy without secrets: fields by their names; in texts what a URL carries beside its place, bearers, boot nonces, private keys. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([field]) => !LEFT_OUT.has(field))
      .map(([field, inner]) => [
        field,
        SECRET_FIELDS.test(field) && typeof inner === 'string' && inner !== '' ? REDACTED : withoutSecrets(inner),
      ]),
  );
}

/** The same for a history in the JSON form of protobuf: what payloads carry is cleaned too. The order of commands stays, so that it can be replayed. */
export function historyWithoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(historyWithoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  if (isPayload(value)) return { ...value, data: cleanPayload(value.data) };
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, historyWithoutSecrets(inner)]));
}

interface Payload {
  readonly metadata: { readonly encoding: string };
  readonly data: string;
}

/** Values that are kept as they are: text that can be read, in JSON. */
const JSON_PLAIN = Buffer.from('json/plain').toString('base64');

function isPayload(value: object): value is Payload {
  const { metadata, data } = value as { metadata?: { encoding?: unknown }; data?: unknown };
  return typeof data === 'string' && metadata?.encoding === JSON_PLAIN;
}

function cleanPayload(data: string): string {
  try {
    const cleaned = withoutSecrets(JSON.parse(Buffer.from(data, 'base64').toString('utf8')));
    return Buffer.from(JSON.stringify(cleaned)).toString('base64');
  } catch {
    return data;
  }
}

function cleanText(text: string): string {
  const json = cleanJson(text);
  if (json !== undefined) return json;
  return text
    .replace(/https?:\/\/[^\s"'<>]+/gi, cleanUrl)
    .replace(/\b(Bearer|Basic) [\w+/=.~-]{8,}/g, `$1 ${REDACTED}`)
    .replace(/\b(beskar7\.(?:token|bearer|nonce)=)\S+/g, `$1${REDACTED}`)
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED);
}

/** Annotations hold JSON. */
function cleanJson(text: string): string | undefined {
  if (!text.startsWith('{') && !text.startsWith('[')) return undefined;
  try {
    return JSON.stringify(withoutSecrets(JSON.parse(text)));
  } catch {
    return undefined;
  }
}

/** Who asks, the values of the query, and a boot nonce in the path. */
function cleanUrl(url: string): string {
  return url
    .replace(/^(https?:\/\/)[^/?#]*@/i, `$1${REDACTED}@`)
    .replace(/([?&;][^=&;#]*=)[^&;#]*/g, `$1${REDACTED}`)
    .replace(/(\/api\/v1\/boot\/[^/?#]+\/[^/?#]+\/)[^/?#]+/, `$1${REDACTED}`);
}
