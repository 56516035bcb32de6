/** What stands in the place of a secret in what is stored or logged. */
const MASK = '***';

/** A secret shorter than this stands in every document by chance: it is looked for in messages only. */
const MIN_LENGTH = 4;

/**
 * The forms in which a known secret may come back: as it is, in a URL, in Base64 and its URL form, in hex, in HTML, in
 * JSON.
 */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = bytes.toString('base64');
  const html = secret.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return [
    ...[secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), html],
    ...[base64, base64.replace(/=+$/, ''), bytes.toString('base64url')],
    ...[bytes.toString('hex'), bytes.toString('hex').toUpperCase()],
  ];
}

const SYNTAX = /[\\^$.*+?()[\]{}|/-]/g;

/** Undefined: there is nothing to look for. */
function patternOf(secrets: readonly string[]): RegExp | undefined {
  const forms = secrets.flatMap((secret) => (secret.length < MIN_LENGTH ? [secret] : formsOf(secret)));
  // The longest first: a shorter one may be a part of it.
  const all = [...new Set(forms)].filter((form) => form !== '').sort((a, b) => b.length - a.length);
  return all.length === 0 ? undefined : new RegExp(all.map((form) => form.replace(SYNTAX, '\\$&')).join('|'), 'g');
}

/**
 * Cuts known secrets out of a text, in any of their forms; of one shorter than four characters the text itself is
 * looked for.
 */
export function maskSecrets(text: string, secrets: readonly string[], mask = MASK): string {
  const pattern = patternOf(secrets);
  return pattern === undefined ? text : text.replace(pattern, () => mask);
}

/** `mask`: what stands in place of a secret. */
export interface MaskOptions {
  readonly mask?: string;
  /** What is let through: what is read and never shown (the words of a protocol, links). */
  readonly isKept?: (text: string) => boolean;
}

/**
 * The same for every text and name in a parsed document, but for secrets shorter than four characters. Depth is that of
 * `parseJson`.
 */
export function maskDocument<T>(value: T, secrets: readonly string[], options: MaskOptions = {}): T {
  const { mask = MASK, isKept = () => false } = options;
  const pattern = patternOf(secrets.filter((secret) => secret.length >= MIN_LENGTH));
  if (pattern === undefined) return value;
  const clean = (text: string) => (isKept(text) ? text : text.replace(pattern, () => mask));
  const walk = (at: unknown): unknown => {
    if (typeof at === 'string') return clean(at);
    if (Array.isArray(at)) return at.map(walk);
    if (typeof at !== 'object' || at === null) return at;
    return Object.fromEntries(Object.entries(at).map(([name, inner]) => [clean(name), walk(inner)]));
  };
  return walk(value) as T;
}

/**
 * Removes potential secrets that are not known beforehand from a text: who asks and the query of URLs,
 * boot nonces in paths, bearers and Basic credentials, tokens of the boot script, JSON web tokens, private keys, values
 * that are called passwords. Quotes stay where they are, so that JSON stays JSON. Each pattern has a bound: the text
 * may be made to take long.
 */
export function maskText(text: string, mask = MASK): string {
  if (!SUSPECT.test(text)) return text;
  return text
    .replace(
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:(?!-----END )[^"])*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?/g,
      mask,
    )
    .replace(/(:\/\/)[^\s/?#"'<>]{0,1024}@/g, `$1${mask}@`)
    .replace(/\bhttps?:\/\/[^\s"'<>]+/gi, (url) => placeOf(url, mask))
    .replace(/(\/boot\/[^\s/?"'<>]{1,63}\/[^\s/?"'<>]{1,253}\/)[^\s/?"'<>]+/g, `$1${mask}`)
    .replace(
      /\b([Bb]earer|BEARER|[Bb]asic|BASIC)(?:\s{1,8}|%20)(?=[\w.~+/=-]*[A-Z0-9=+/_~])[\w.~+/=-]{8,}/g,
      `$1 ${mask}`,
    )
    .replace(/\beyJ[\w.-]{12,}/g, (word) => (/^[\w-]{6,}\.[\w-]{6,}/.test(word) ? mask : word))
    .replace(/\b(beskar7\.(?:token|bearer|nonce)=)\S+/g, `$1${mask}`)
    .replace(NAMED_SECRET, `$1${mask}`);
}

/** Without one of these there is nothing to be taken out: most texts are names and numbers. */
const SUSPECT = /:\/\/|[=:]|eyJ|bearer|basic|PRIVATE KEY|\/boot\//i;

/** A URL without what stands in its query and its fragment. */
function placeOf(url: string, mask: string): string {
  const at = url.search(/[?#]/);
  return at < 0 || at === url.length - 1 ? url : `${url.slice(0, at + 1)}${mask}`;
}

/** `password=x`, `"token": "x"`: the value after a name that says that it is a secret. */
const NAMED_SECRET =
  /((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credentials?|authorization)(?:=["']?|["']\s{0,8}:\s{0,8}["']))(?!\*\*\*|\[secret\]|redacted|\.\.\.|…)[^\s"',;&}]{3,}/gi;
