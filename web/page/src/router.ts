import { useEffect, useState } from 'preact/hooks';

/**
 * Every address of the page. It lives behind `#`, so that the server has one page to serve and a link can be sent to
 * someone.
 */
export type Route =
  | { readonly view: 'fleet'; readonly search: URLSearchParams }
  | { readonly view: 'machines'; readonly search: URLSearchParams }
  | { readonly view: 'host'; readonly namespace: string; readonly name: string }
  | { readonly view: 'machine'; readonly namespace: string; readonly name: string }
  | { readonly view: 'failures' }
  | { readonly view: 'unknown'; readonly path: string };

/** The route in `location.hash`: `#/hosts?state=Error`, `#/hosts/<namespace>/<name>`, `#/machines/…`, `#/failures`. */
function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  const parts = path.split('/').filter(Boolean).map(decode);
  const [first = 'hosts', namespace, name] = parts;
  const search = new URLSearchParams(query);
  if (first === 'hosts' && parts.length <= 1) return { view: 'fleet', search };
  if (first === 'machines' && parts.length === 1) return { view: 'machines', search };
  if (first === 'failures' && parts.length === 1) return { view: 'failures' };
  if (parts.length === 3 && namespace !== undefined && name !== undefined) {
    if (first === 'hosts') return { view: 'host', namespace, name };
    if (first === 'machines') return { view: 'machine', namespace, name };
  }
  return { view: 'unknown', path };
}

/** Address of a host's page. */
export const hostLink = (namespace: string, name: string): string =>
  `#/hosts/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
/** Address of a machine's page. */
export const machineLink = (namespace: string, name: string): string =>
  `#/machines/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;

/** Writes a list's filter into the address without a step in the browser's history for each letter. */
export function replaceSearch(list: 'hosts' | 'machines', search: URLSearchParams): void {
  const query = search.toString();
  history.replaceState(history.state, '', `#/${list}${query ? `?${query}` : ''}`);
  dispatchEvent(new HashChangeEvent('hashchange'));
}

/** The present route; the component renders again when the address changes. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

/** A part of an address that was typed by hand may hold a stray `%`. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
