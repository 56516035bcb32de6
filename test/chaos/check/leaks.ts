/** Rule 8: where a secret stands in a text. The finding names the place and the kind of secret, never the secret. */
export function leaks(place: string, text: string, secrets: ReadonlyMap<string, string>): string[] {
  return [...secrets]
    .filter(([secret]) => secret !== '' && text.includes(secret))
    .map(([, kind]) => `${kind} in ${place}`);
}
