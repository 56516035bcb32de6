/**
 * Takes out of a text what could open something: userinfo and queries of URLs, nonces in the paths of boot scripts,
 * bearers. Attributes are made so that none is in them; errors of others (a stack, a message) pass here on their way
 * out.
 */
export function redactText(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"'<>]*@/gi, '$1')
    .replace(/(\bhttps?:\/\/[^\s?#"'<>]*)[?#][^\s"'<>]*/gi, '$1')
    .replace(/(\/boot\/[^\s/]+\/[^\s/]+\/)[^\s/?"'<>]+/g, '$1{nonce}')
    .replace(/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, '$1 [secret]');
}
